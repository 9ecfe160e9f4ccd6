"""Who says how many pods run: the resource, an HPA on either, or a hand on the Deployment."""

import pytest

from tests.operator.endpoints import ONE, healthy, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL, GROUP, SERVER
from vmcp_api.generate.crds import build_crd
from vmcp_api.pod_status import StoreReport
from vmcp_operator.plan.kinds import DEPLOYMENT, Ref
from vmcp_operator.plan.kinds import SERVER as SERVER_KIND

FILES = Ref(SERVER_KIND, "default", "files")
REDIS = {"provider": "redis", "address": "redis:6379"}
DEPLOYMENTS = {ONE: Ref(DEPLOYMENT, "default", "vmcp-one"), FILES: Ref(DEPLOYMENT, "default", "mcp-files")}


def replicas(story, key):
    return story.cluster.objects[DEPLOYMENTS[key]]["spec"]["replicas"]


def scale(story, ref, number):
    story.cluster.edit(ref, lambda each: each["spec"].update(replicas=number))


@pytest.mark.scenario("K-24")
@pytest.mark.parametrize("kind", ["VirtualMCPServer", "MCPServer"])
def test_an_autoscaler_finds_a_number_and_a_selector_where_nobody_wrote_one(kind):
    (version,) = build_crd(kind)["spec"]["versions"]
    paths = version["subresources"]["scale"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    assert schema["spec"]["properties"]["replicas"]["default"] == 1
    for name in ("statusReplicasPath", "labelSelectorPath"):
        assert paths[name].removeprefix(".status.") in schema["status"]["properties"]


@pytest.mark.scenario("K-24")
@pytest.mark.parametrize("key", [ONE, FILES], ids=str)
async def test_the_status_has_what_the_scale_subresource_reads(key):
    story = Story(ALL)
    await story.reconcile(key)
    status = story.status(key)
    template = story.cluster.objects[DEPLOYMENTS[key]]["spec"]["template"]
    wanted = dict(part.split("=") for part in status["selector"].split(","))
    assert wanted.items() <= template["metadata"]["labels"].items()
    assert status["replicas"] == 0


@pytest.mark.scenario("K-6", "K-24")
@pytest.mark.parametrize("key", [ONE, FILES], ids=str)
async def test_the_number_of_the_resource_is_what_runs_however_it_was_set(key):
    story = Story(ALL)
    story.cluster.edit(ONE, lambda each: each["spec"].update(sessionStorage=REDIS))
    for number in (3, 5, 1, 0, 1):
        scale(story, key, number)
        await story.reconcile(key)
        assert replicas(story, key) == number
    scale(story, key, 3)
    await story.reconcile(key)
    scale(story, DEPLOYMENTS[key], 5)
    await story.reconcile(key)
    assert replicas(story, key) == 3


@pytest.mark.scenario("K-6")
@pytest.mark.parametrize("key", [ONE, FILES], ids=str)
async def test_the_default_gives_way_to_a_number_that_somebody_gave_the_deployment(key):
    story = Story(ALL)
    await story.reconcile(key)
    for number in (5, 2, 0):
        scale(story, DEPLOYMENTS[key], number)
        await story.reconcile(key)
        story.passes(10)
        await story.reconcile(key)
        assert replicas(story, key) == number
        assert ("apply", DEPLOYMENTS[key]) not in story.cluster.writes
    if key is ONE:
        story.cluster.edit(ONE, lambda each: each["spec"].update(sessionStorage=REDIS))
    scale(story, key, 4)
    await story.reconcile(key)
    assert replicas(story, key) == 4
    scale(story, key, 1)
    await story.reconcile(key)
    assert replicas(story, key) == 1


@pytest.mark.scenario("K-24")
async def test_two_pods_with_sessions_in_memory_are_told_however_they_came_to_be_two():
    limits = "{shared: {maxTokens: 9, refillPeriod: 1m}}"
    story = await serving(ALL.replace("anonymous}\n", f"anonymous}}\n  config: {{rateLimiting: {limits}}}\n"))
    scale(story, DEPLOYMENTS[ONE], 2)
    story.run_pod(ONE)
    await story.reconcile(ONE)
    condition = story.condition(ONE, "SessionStorageReady")
    assert (condition["status"], condition["reason"]) == ("False", "MemoryNotShared")
    counted = story.condition(ONE, "RateLimitsEnforced")
    assert (counted["status"], counted["reason"]) == ("False", "CountedByPod")
    assert "and each pod counts rate limits for itself; set sessionStorage.provider to redis" in condition["message"]
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["reason"]) == ("Degraded", "SessionsNotShared")
    assert story.condition(ONE, "Ready")["status"] == "True"
    scale(story, DEPLOYMENTS[ONE], 1)
    story.run_pod(ONE)
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"
    assert story.condition(ONE, "RateLimitsEnforced")["reason"] == "Enforced"
    for policy, said in (("allow", "requests are let through meanwhile"), ("deny", "requests are refused meanwhile")):
        story.cluster.edit(
            ONE, lambda each, policy=policy: each["spec"]["config"]["rateLimiting"].update(onStoreFailure=policy)
        )
        await story.reconcile(ONE)
        away = StoreReport("unavailable", "no answer from Redis")
        story.run_pod(ONE, report=healthy(story, "files", "docs", rate_limits=away))
        story.passes(10)
        await story.reconcile(ONE)
        condition = story.condition(ONE, "RateLimitsEnforced")
        assert (condition["status"], condition["reason"]) == ("False", "StoreUnavailable")
        assert condition["message"] == f"no answer from Redis; {said} (onStoreFailure)"


async def test_a_server_on_two_pods_keeps_no_sessions_of_ours():
    story = Story(SERVER + GROUP)
    scale(story, FILES, 2)
    await story.reconcile(FILES)
    story.run_pod(FILES)
    await story.reconcile(FILES)
    assert story.status(FILES)["phase"] == "Ready"
