"""What an endpoint's status says of backends that start, fail, or are given up."""

import pytest

from tests.operator.endpoints import ONE, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL, ENTRY, GROUP, SERVER, VMCP
from vmcp_operator.plan.kinds import SERVER as SERVER_KIND
from vmcp_operator.plan.kinds import Ref
from vmcp_operator.plan.reports import BackendReport, Report


def unhealthy(story, *names, kind="MCPServer", **more):
    """A report of a pod that has reached none of these."""
    down = (BackendReport(name, kind, "unhealthy", message="it cannot be reached", **more) for name in names)
    return Report(config_hash=story.pods.digests[ONE] or "", backends=tuple(down))


@pytest.mark.scenario("K-9")
async def test_an_endpoint_whose_own_servers_start_is_pending_until_the_first_of_them_answers():
    story = Story(ALL)
    await story.reconcile(ONE)
    story.run_pod(ONE, report=unhealthy(story, "files", "docs"))
    story.passes(10)
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["status"]) == ("Pending", "False")
    assert story.condition(ONE, "Ready")["reason"] == "CheckingBackends"
    assert "files: it cannot be reached" in story.status(ONE)["message"]
    one_up = (BackendReport("files", "MCPServer", "healthy"), *unhealthy(story, "docs").backends)
    story.run_pod(ONE, report=Report(config_hash=story.pods.digests[ONE] or "", backends=one_up))
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["status"]) == ("Degraded", "True")
    # From now on a server that does not answer is news, not a start.
    story.run_pod(ONE, report=unhealthy(story, "files", "docs"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Degraded"


@pytest.mark.scenario("K-9")
async def test_what_time_alone_will_not_bring_up_is_told_from_the_start():
    story = Story(VMCP + GROUP + ENTRY)
    await story.reconcile(ONE)
    story.run_pod(ONE, report=unhealthy(story, "docs", kind="MCPServerEntry"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Degraded"

    story = Story(VMCP + GROUP + SERVER)
    story.cluster.edit(Ref(SERVER_KIND, "default", "files"), lambda each: each.update(status={"phase": "Failed"}))
    await story.reconcile(ONE)
    story.run_pod(ONE, report=unhealthy(story, "files"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Degraded"

    story = Story(VMCP + GROUP + SERVER)
    await story.reconcile(ONE)
    withheld = BackendReport("files", "MCPServer", "withheld", reason="SecretMissing", message="no key")
    story.run_pod(ONE, report=Report(config_hash=story.pods.digests[ONE] or "", backends=(withheld,)))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Degraded"


async def test_an_endpoint_that_serves_all_or_nothing_stays_failed_while_it_has_none():
    story = await serving(VMCP + GROUP + SERVER, "files")
    config = {"operational": {"failureHandling": {"partialFailureMode": "fail"}}}
    story.cluster.edit(ONE, lambda each: each["spec"].update(config=config))
    await story.reconcile(ONE)
    story.run_pod(ONE, report=unhealthy(story, "files"))
    for _ in range(3):
        story.passes(10)
        await story.reconcile(ONE)
        assert story.status(ONE)["phase"] == "Failed"


@pytest.mark.scenario("B-8")
async def test_the_worst_state_of_a_breaker_over_all_pods_stands_in_the_status():
    story = await serving(VMCP + GROUP + SERVER, "files")
    assert "circuitState" not in story.status(ONE)["backends"][0]
    for number, (status, circuit) in enumerate([("healthy", "closed"), ("unhealthy", "closed"), ("unhealthy", "open")]):
        backends = (BackendReport("files", "MCPServer", status, circuit=circuit),)
        report = Report(config_hash=story.pods.digests[ONE] or "", backends=backends)
        story.run_pod(ONE, f"pod-{number + 1}", report=report)
    story.passes(10)
    await story.reconcile(ONE)
    (backend,) = story.status(ONE)["backends"]
    assert (backend["status"], backend["circuitState"]) == ("unavailable", "open")
