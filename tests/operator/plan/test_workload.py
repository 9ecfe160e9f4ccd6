import pytest

from tests.operator.endpoints import ONE
from tests.operator.harness import Story
from tests.operator.manifests import ALL
from vmcp_operator.plan.kinds import DEPLOYMENT

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
