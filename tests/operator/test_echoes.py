"""What the operator hears of its own writes."""

import asyncio

import pytest

from tests.operator.endpoints import ONE, serving
from tests.operator.harness import Story
from tests.operator.manifests import ALL
from vmcp_operator.app import build_sink, patience_of
from vmcp_operator.plan.kinds import CONFIG_MAP, ENTRY, MCP_GROUP, VMCP, Ref
from vmcp_operator.queue.workqueue import WorkQueue
from vmcp_operator.reconcile.dependents import Change
from vmcp_operator.watch import read_change


def seen(story, *, is_listed=False):
    """The change that a watch would tell of the endpoint as it is now."""
    return read_change(VMCP, story.cluster.objects[ONE], is_listed=is_listed)


async def test_a_status_that_was_just_written_is_an_echo_and_a_later_change_is_not():
    story = await serving()
    assert story.reporter.is_echo(seen(story))
    assert not story.reporter.is_echo(seen(story, is_listed=True))
    story.cluster.edit(ONE, lambda each: each["metadata"].update(labels={"team": "blue"}))
    assert not story.reporter.is_echo(seen(story))


@pytest.mark.parametrize(
    "change",
    [
        lambda each: each["spec"].update(networkPolicy={"enabled": True}),
        lambda each: each["metadata"].update(annotations={"vmcp.dev/restartedAt": "now"}),
    ],
)
async def test_a_status_that_was_written_over_a_change_which_nobody_had_read_is_no_echo(change):
    story = Story(ALL)
    write = story.cluster.apply_status

    async def overtaken(manifest):
        story.cluster.edit(ONE, change)
        return await write(manifest)

    story.cluster.apply_status = overtaken
    await story.reconcile(ONE)
    assert story.status(ONE)["phase"] == "Pending"
    assert not story.reporter.is_echo(seen(story))


async def test_an_echo_wakes_the_group_but_not_its_own_resource_again():
    story = await serving()
    await story.reconcile(Ref(MCP_GROUP, "default", "tools"))
    queue: WorkQueue = WorkQueue()
    sink = build_sink(story.dependents, story.reporter, queue)
    for _ in range(3):
        sink(seen(story))
    # Not at once: it is told of many statuses at a time.
    assert len(queue) == 0
    async with asyncio.timeout(30):
        assert (await queue.get()).name == "tools"
    assert len(queue) == 0
    sink(seen(story, is_listed=True))
    async with asyncio.timeout(30):
        assert await queue.get() == ONE


async def test_a_resource_hears_once_of_what_happens_to_its_children_in_a_row():
    story = await serving()
    queue: WorkQueue = WorkQueue()
    sink = build_sink(story.dependents, story.reporter, queue)
    for name in ("vmcp-one", "vmcp-one-c1", "vmcp-one"):
        sink(Change(Ref(CONFIG_MAP, "default", name), owner=ONE))
    assert len(queue) == 0
    async with asyncio.timeout(30):
        assert await queue.get() == ONE
    assert len(queue) == 0


def test_an_endpoint_goes_before_its_group_and_that_before_an_entry():
    kinds = (VMCP, MCP_GROUP, ENTRY)
    patience = [patience_of(Ref(kind, "default", "one")) for kind in kinds]
    assert patience == sorted(set(patience))
