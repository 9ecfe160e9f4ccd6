"""A resource that cannot be reconciled says so itself; what is not in its way is not."""

import pytest

from tests.operator.endpoints import ONE, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL
from vmcp_operator.errors import Conflict, Denied, Unavailable
from vmcp_operator.health import Health
from vmcp_operator.plan.failure import RECONCILE_FAILED
from vmcp_operator.plan.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENTRY,
    EVENT,
    MCP_GROUP,
    NETWORK_POLICY,
    POD,
    REPLICA_SET,
    SERVER,
    SERVICE,
    SERVICE_ACCOUNT,
    VMCP,
    Ref,
)
from vmcp_operator.queue.worker import Worker
from vmcp_operator.queue.workqueue import WorkQueue
from vmcp_operator.telemetry import Telemetry

NEEDED = [("get", kind) for kind in (DEPLOYMENT, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP, MCP_GROUP)]
NEEDED += [("list", kind) for kind in (REPLICA_SET, POD, SERVER, ENTRY)]


class Rights:
    """Takes rights away; the words are those of an API server."""

    def __init__(self, story) -> None:
        self.missing: set = set()
        self.error = Denied
        story.cluster.fail = self

    def __call__(self, verb, ref) -> None:
        if (verb, ref.kind) in self.missing:
            message = f'{ref.kind.plural} is forbidden: User "operator" cannot {verb} resource "{ref.kind.plural}"'
            raise self.error(str(ref), 403, message)


async def work(story, key=ONE):
    """One reconcile as a worker does it."""
    queue: WorkQueue = WorkQueue()
    health = Health(lambda: 0.0, lambda: ())
    story.cluster.writes.clear()
    worker = Worker(queue, story.reconciler.reconcile, Telemetry(), health, story.reporter.report_failure)
    await worker._work(key)
    queue.close()


def events(story):
    return [live for ref, live in story.cluster.objects.items() if ref.kind is EVENT]


def failures(story):
    return [event for event in events(story) if event["reason"] == RECONCILE_FAILED]


@pytest.mark.scenario("K-21")
@pytest.mark.parametrize(("verb", "kind"), NEEDED, ids=str)
async def test_a_right_that_is_missing_is_told_in_the_words_of_the_api_server_and_once(verb, kind):
    story = await serving()
    before = story.status(ONE)
    rights = Rights(story)
    rights.missing = {(verb, kind)}
    for _ in range(3):
        await work(story)
    ready = story.condition(ONE, "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", RECONCILE_FAILED)
    assert f'cannot {verb} resource "{kind.plural}"' in ready["message"]
    assert ready["message"] == story.status(ONE)["message"]
    assert {name: story.status(ONE)[name] for name in ("phase", "url", "toolCount")} == {
        name: before[name] for name in ("phase", "url", "toolCount")
    }
    (event,) = failures(story)
    assert event["type"] == "Warning"
    assert ready["message"] in event["note"]
    assert story.cluster.writes == []

    rights.missing = set()
    await work(story)
    assert story.condition(ONE, "Ready")["status"] == "True"
    assert story.status(ONE)["message"] == before["message"]


@pytest.mark.parametrize("key", [ONE, Ref(MCP_GROUP, "default", "tools"), Ref(SERVER, "default", "files")])
async def test_a_resource_that_was_never_reconciled_says_so_too(key):
    story = Story(ALL)
    rights = Rights(story)
    rights.missing = {("get", DEPLOYMENT), ("list", VMCP)}
    await work(story, key)
    assert story.condition(key, "Ready")["reason"] == RECONCILE_FAILED
    assert "phase" not in story.status(key)
    assert len(failures(story)) == 1


@pytest.mark.parametrize("kind", [NETWORK_POLICY, DISRUPTION_BUDGET])
async def test_what_nobody_asked_for_needs_no_right(kind):
    story = Story(ALL)
    rights = Rights(story)
    rights.missing = {(verb, kind) for verb in ("get", "list", "apply", "delete")}
    await work(story)
    assert story.condition(ONE, "Ready")["reason"] != RECONCILE_FAILED
    asked = {"networkPolicy": {"enabled": True}, "podDisruptionBudget": {"maxUnavailable": 1}}
    story.cluster.edit(ONE, lambda each: each["spec"].update(asked))
    await work(story)
    assert story.condition(ONE, "Ready")["reason"] == RECONCILE_FAILED


@pytest.mark.parametrize("error", [Unavailable, Conflict])
async def test_what_passes_by_itself_is_not_told(error):
    story = await serving()
    before = story.status(ONE)
    rights = Rights(story)
    rights.error = error
    rights.missing = {("get", DEPLOYMENT)}
    await work(story)
    assert story.status(ONE) == before
    assert failures(story) == []


async def test_an_object_that_the_operator_fails_on_says_so_without_its_content(caplog):
    story = await serving()

    async def fail(_key):
        raise KeyError("s3cret")

    story.reconciler.reconcile = fail
    await work(story)
    assert story.condition(ONE, "Ready")["message"] == "the operator failed on it (KeyError); its log tells where"
    assert "s3cret" not in caplog.text


async def test_where_the_status_may_not_be_written_the_event_says_it_and_only_once():
    story = await serving()
    rights = Rights(story)
    rights.missing = {("status", VMCP), ("get", DEPLOYMENT)}
    for _ in range(3):
        await work(story)
    assert story.condition(ONE, "Ready")["status"] == "True"
    assert len(failures(story)) == 1


@pytest.mark.parametrize(
    ("status", "message", "level"),
    [
        (403, "unable to create new content in namespace a because it is being terminated", "DEBUG"),
        (404, 'namespaces "a" not found', "DEBUG"),
        (403, "events is forbidden", "WARNING"),
    ],
)
async def test_an_event_for_a_namespace_on_its_way_out_is_no_warning(caplog, status, message, level):
    story = Story(ALL)
    caplog.set_level("DEBUG", logger="vmcp_operator.reconcile.reporter")

    def fail(verb, ref):
        if (verb, ref.kind) == ("create", EVENT):
            raise Denied(str(ref), status, message)

    story.cluster.fail = fail
    await work(story)
    assert [each.levelname for each in caplog.records if each.message == "event not posted"] == [level]
