"""What an endpoint's status says of backends that start, fail, or are given up."""

import pytest

from tests.operator.endpoints import ONE, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL, ENTRY, GROUP, SERVER, VMCP
from vmcp_api.pod_status import BackendReport, PodStatus
from vmcp_operator.plan.kinds import EVENT, Ref
from vmcp_operator.plan.kinds import SERVER as SERVER_KIND


def unhealthy(story, *names, kind="MCPServer", **more):
    """A report of a pod that has reached none of these."""
    down = (BackendReport(name, kind, "unhealthy", message="it cannot be reached", **more) for name in names)
    return PodStatus(config_hash=story.pods.digests[ONE] or "", backends=tuple(down))


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
    story.run_pod(ONE, report=PodStatus(config_hash=story.pods.digests[ONE] or "", backends=one_up))
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
    story.run_pod(ONE, report=PodStatus(config_hash=story.pods.digests[ONE] or "", backends=(withheld,)))
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
        report = PodStatus(config_hash=story.pods.digests[ONE] or "", backends=backends)
        story.run_pod(ONE, f"pod-{number + 1}", report=report)
    story.passes(10)
    await story.reconcile(ONE)
    (backend,) = story.status(ONE)["backends"]
    assert (backend["status"], backend["circuitState"]) == ("unavailable", "open")


@pytest.mark.scenario("K-26")
async def test_an_endpoint_of_which_no_backend_answers_is_not_ready():
    story = await serving(VMCP + GROUP + ENTRY, "docs")
    assert story.condition(ONE, "Ready")["status"] == "True"
    story.run_pod(ONE, report=unhealthy(story, "docs", kind="MCPServerEntry"))
    await story.reconcile(ONE)
    ready = story.condition(ONE, "Ready")
    assert (story.status(ONE)["phase"], ready["status"], ready["reason"]) == ("Degraded", "False", "NoBackendAvailable")
    story.run_pod(ONE, report=answering(story, "docs"))
    await story.reconcile(ONE)
    assert story.condition(ONE, "Ready")["status"] == "True"


def answering(story, *names, down=()):
    up = tuple(BackendReport(name, "MCPServer", "healthy") for name in names)
    return PodStatus(
        config_hash=story.pods.digests[ONE] or "",
        backends=(*up, *(BackendReport(name, "MCPServer", "unhealthy", message="no") for name in down)),
    )


TWO = VMCP + GROUP + SERVER + SERVER.replace("name: files", "name: notes")


@pytest.mark.scenario("K-23")
async def test_a_first_apply_is_pending_until_each_server_had_its_time():
    story = Story(TWO)
    await story.reconcile(ONE)
    story.run_pod(ONE, report=answering(story, "files", down=("notes",)))
    story.passes(5)
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["reason"]) == ("Pending", "CheckingBackends")
    story.passes(20)
    assert await story.reconcile(ONE) == 40.0
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["reason"]) == ("Pending", "CheckingBackends")
    story.run_pod(ONE, report=answering(story, "files", "notes"))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"
    notes = [each["type"] for ref, each in story.cluster.objects.items() if ref.kind is EVENT]
    assert notes == ["Normal", "Normal"]


@pytest.mark.scenario("K-23")
async def test_a_server_that_does_not_come_up_in_its_time_degrades_the_endpoint():
    story = Story(TWO)
    await story.reconcile(ONE)
    story.run_pod(ONE, report=answering(story, "files", down=("notes",)))
    story.passes(5)
    await story.reconcile(ONE)
    story.passes(61)
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], story.condition(ONE, "Ready")["reason"]) == ("Degraded", "BackendsUnavailable")
    story.passes(61)
    await story.reconcile(ONE)
    assert story.cluster.writes == []


@pytest.mark.scenario("K-23")
async def test_a_server_that_joins_an_endpoint_has_time_to_come_up():
    story = await serving(VMCP + GROUP + SERVER, "files")
    story.apply(SERVER.replace("name: files", "name: notes"))
    await story.reconcile(ONE)
    story.run_pod(ONE, report=answering(story, "files", down=("notes",)))
    story.passes(10)
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Ready"
    assert story.status(ONE)["message"] == "serving 1 of 2 backends; starting: notes"
    backends = {each["name"]: each.get("reason") for each in story.status(ONE)["backends"]}
    assert backends == {"files": None, "notes": "Starting"}
    assert story.condition(ONE, "BackendsReady")["status"] == "Unknown"
    # One that has answered before is news at once.
    story.run_pod(ONE, report=answering(story, "notes", down=("files",)))
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Degraded"


@pytest.mark.scenario("K-23")
async def test_a_pod_that_has_not_looked_at_its_backends_yet_changes_nothing_that_is_known():
    story = await serving(TWO, "files", "notes")
    unknown = tuple(BackendReport(name, "MCPServer", "unknown") for name in ("files", "notes"))
    story.run_pod(ONE, report=PodStatus(config_hash=story.pods.digests[ONE] or "", backends=unknown))
    story.passes(10)
    await story.reconcile(ONE)
    assert (story.status(ONE)["phase"], story.status(ONE)["backendSummary"]) == ("Ready", "2/2")


async def test_a_backend_that_another_release_described_in_words_of_its_own_is_described_anew():
    story = await serving()

    def rename(live):
        live["status"]["backends"][0].update(status="quarantined", lastTransitionTime="2020-01-01T00:00:00Z")

    story.cluster.edit(ONE, rename)
    story.passes(10)
    await story.reconcile(ONE)
    first = story.status(ONE)["backends"][0]
    assert (first["status"], first["lastTransitionTime"]) == ("ready", "2026-05-04T12:00:20Z")
