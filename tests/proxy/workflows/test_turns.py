"""Whose templates are evaluated next: it goes round by caller, then by run."""

import asyncio

import pytest

from tests.proxy.workflows.playing import Acts, step, workflow
from tests.support.virtual_time import run_virtually
from vmcp_proxy.workflows.engine import Engine
from vmcp_proxy.workflows.outcome import Completed
from vmcp_proxy.workflows.pace import RoundRobin

DEAR = "{% for a in params.items %}{% for b in params.items %}{{ b }}{% endfor %}{% endfor %}"
ITEMS = {"type": "object", "properties": {"items": {"type": "array"}}}
LOOP = {"id": "loop", "type": "forEach", "collection": "{{ params.items }}", "maxParallel": 50, "maxIterations": 50}


def test_a_short_workflow_waits_for_one_template_of_another_caller_and_not_for_its_queue():
    engine, bobs = Engine(), Acts(holder="Bob")
    many = workflow({**LOOP, "step": {"tool": "tools.each", "arguments": {"x": DEAR}}}, parameters=ITEMS)
    short = workflow(step("a", arguments={"x": "{{ params.items | length }}"}), parameters=ITEMS)
    before = []

    async def crowd():
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(engine.run(many, {"items": list(range(50))}, bobs))
            await asyncio.sleep(0.2)  # of the virtual clock: the templates of some items
            before.append(len(bobs.calls))
            outcome = await engine.run(short, {"items": []}, Acts(holder="Alice"))
            before.append(len(bobs.calls))
        return outcome

    assert isinstance(run_virtually(crowd()), Completed)
    assert before[1] - before[0] <= 2
    assert len(bobs.calls) == 200


@pytest.mark.parametrize("cancelled", [(), (3, 5)])
def test_turns_go_round_by_caller_and_then_by_run_and_pass_over_who_has_gone(cancelled):
    turns, order = RoundRobin(), []
    wanted = ["B1", "B1", "B2", "B1", "A1", "C1", "C1", "A2"]

    async def take(place, who):
        await turns.acquire(who[0], who)
        order.append((place, who))
        turns.release()

    async def main():
        await turns.acquire("X", "X")
        tasks = [asyncio.create_task(take(place, who)) for place, who in enumerate(wanted)]
        await asyncio.sleep(0)
        for place in cancelled:
            tasks[place].cancel()
        turns.release()
        await asyncio.wait(tasks)
        await turns.acquire("X", "X")
        order.append("free")

    asyncio.run(main())
    whole = [(0, "B1"), (4, "A1"), (5, "C1"), (2, "B2"), (7, "A2"), (6, "C1"), (1, "B1"), (3, "B1"), "free"]
    passed = [(0, "B1"), (4, "A1"), (2, "B2"), (7, "A2"), (6, "C1"), (1, "B1"), "free"]
    assert order == (passed if cancelled else whole)


async def test_who_is_cancelled_as_its_turn_comes_passes_it_on():
    turns = RoundRobin()
    await turns.acquire("A", "A")
    first, second = (asyncio.create_task(turns.acquire(who, who)) for who in "BC")
    await asyncio.sleep(0)
    turns.release()
    # The turn is the first one's now, which has not yet heard of it.
    first.cancel()
    await second
    assert first.cancelled()
