"""What is not there: waited for while it may be on its way, and said to be gone where it was."""

import pytest

from tests.operator.endpoints import ONE, serving
from tests.operator.harness import Story
from tests.operator.manifests import AUTH_CONFIGS, GROUP
from tests.operator.test_endpoint_auth import CONFIG, DOCS, IDP, WHOLE
from tests.support.certificates import CA_CERTIFICATE
from vmcp_operator.plan.kinds import DEPLOYMENT, MCP_GROUP, Ref


@pytest.mark.parametrize("is_frozen", [True, False], ids=["nothing can be rendered", "no provider"])
async def test_a_deleted_config_of_an_endpoint_that_cannot_be_rendered_is_said_to_be_gone(is_frozen):
    story = await serving(WHOLE)
    story.cluster.remove(Ref(MCP_GROUP, "default", "tools") if is_frozen else IDP)
    story.cluster.remove(CONFIG)
    story.passes(10)
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Failed"
    assert "the ConfigMap" in story.status(ONE)["message"]
    assert "is gone: pods that run serve on by it, and no other starts" in story.status(ONE)["message"]
    assert CONFIG not in story.cluster.objects
    assert story.has(DEPLOYMENT, "vmcp-one")
    story.apply(GROUP + AUTH_CONFIGS)
    await story.reconcile(ONE)
    assert CONFIG in story.cluster.objects


@pytest.mark.scenario("K-7")
@pytest.mark.parametrize("holder", ["session storage", "provider", "entry"])
async def test_a_ca_bundle_of_the_same_file_is_waited_for_before_it_is_missed(holder):
    story, key = Story(WHOLE), DOCS if holder == "entry" else ONE
    trust = {"caBundleRef": {"configMapRef": {"name": "roots"}}}
    tls = {"enabled": True, "caBundleRef": {"name": "roots", "key": "ca.crt"}}
    storage = {"provider": "redis", "address": "redis", "tls": tls}
    edit = {
        "session storage": lambda: story.cluster.edit(ONE, lambda each: each["spec"].update(sessionStorage=storage)),
        "provider": lambda: story.cluster.edit(IDP, lambda each: each["spec"]["inline"].update(trust)),
        "entry": lambda: story.cluster.edit(DOCS, lambda each: each["spec"].update(trust)),
    }
    edit[holder]()
    story.cluster.edit(key, lambda each: each["metadata"].update(creationTimestamp="2026-05-04T12:00:00Z"))
    again = await story.reconcile(key)
    assert (again, story.status(key)["phase"]) == (10.0, "Pending")
    assert "ConfigMap 'roots' does not exist" in story.status(key)["message"]
    story.passes(10)
    await story.reconcile(key)
    assert story.status(key)["phase"] == "Failed"
    metadata = {"name": "roots", "namespace": "default"}
    data = {"ca.crt": CA_CERTIFICATE}
    story.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    await story.reconcile(key)
    assert story.status(key)["phase"] == ("Valid" if holder == "entry" else "Pending")
