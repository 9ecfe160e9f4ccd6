from dataclasses import replace

import pytest

from tests.operator.endpoints import ONE
from tests.operator.harness import SETTINGS, Story
from tests.operator.manifests import ALL
from vmcp_operator.plan.kinds import DEPLOYMENT, SERVER, Ref

CLOSING = 10


@pytest.mark.parametrize(("timeouts", "drain"), [({}, 25), ({"drain": "0s"}, 0), ({"drain": "2m"}, 120)])
async def test_a_pod_serves_on_after_it_is_told_to_end_and_has_time_for_that_and_for_its_drain(timeouts, drain):
    story = Story(ALL)
    story.cluster.edit(ONE, lambda each: each["spec"].update(config={"operational": {"timeouts": timeouts}}))
    await story.reconcile(ONE)
    pod = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"].count("--shutdown-delay=5") == 1
    assert pod["terminationGracePeriodSeconds"] == 5 + drain + CLOSING


async def test_the_template_of_all_proxies_goes_over_the_operators_own_and_under_that_of_a_resource():
    template = {
        "metadata": {"labels": {"team": "mcp"}, "annotations": {"note": "all"}},
        "spec": {
            "containers": [{"name": "vmcp", "resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": "2"}}}],
            "imagePullSecrets": [{"name": "all"}],
            "nodeSelector": {"disk": "ssd"},
        },
    }
    story = Story(ALL, replace(SETTINGS, template=template))
    own = {"spec": {"containers": [{"name": "vmcp", "resources": {"limits": {"cpu": "4"}}}]}}
    change = {"podTemplateSpec": own, "imagePullSecrets": [{"name": "own"}]}
    story.cluster.edit(ONE, lambda each: each["spec"].update(change))
    await story.reconcile(ONE)
    pod = story.live(DEPLOYMENT, "vmcp-one")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "250m", "memory": "128Mi"}
    assert container["resources"]["limits"] == {"cpu": "4", "memory": "768Mi"}
    assert [each["name"] for each in pod["spec"]["imagePullSecrets"]] == ["own", "all"]
    assert pod["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert pod["metadata"]["labels"].items() >= {"team": "mcp", "app.kubernetes.io/instance": "one"}.items()
    assert pod["metadata"]["annotations"]["note"] == "all"
    # Servers are not proxies.
    await story.reconcile(Ref(SERVER, "default", "files"))
    assert "nodeSelector" not in story.live(DEPLOYMENT, "mcp-files")["spec"]["template"]["spec"]
