import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_operator.queue.workqueue import Backoff, WorkQueue

STEPS = st.lists(st.tuples(st.sampled_from(["add", "get", "done"]), st.integers(0, 3)), max_size=60)


@given(steps=STEPS)
def test_a_key_waits_once_at_most_is_never_given_out_twice_and_is_never_lost(steps):
    async def run():
        queue: WorkQueue[int] = WorkQueue()
        owed: set[int] = set()
        running: set[int] = set()
        for step, key in steps:
            if step == "add":
                queue.add(key)
                owed.add(key)
            elif step == "get" and len(queue):
                given_out = await queue.get()
                assert given_out in owed
                assert given_out not in running
                owed.discard(given_out)
                running.add(given_out)
            elif step == "done" and key in running:
                queue.done(key)
                running.discard(key)
            assert len(queue) == len(owed - running)
            assert queue.running == running
        for key in list(running):
            queue.done(key)
        assert {await queue.get() for _ in range(len(queue))} == owed

    asyncio.run(run())


async def test_a_key_that_is_added_while_somebody_works_on_it_comes_back_once_it_is_done():
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert len(queue) == 1
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_patient_keys_let_others_go_before_but_not_for_ever():
    now = 0.0
    queue: WorkQueue[str] = WorkQueue(patience={"a": 60.0, "b": 20.0}.__getitem__, clock=lambda: now)
    queue.add("a")
    queue.add("b")
    given = []
    for now in (0.0, 45.0):  # noqa: B007 - the clock reads it
        given.append(await queue.get())
        queue.done(given[-1])
        queue.add("b")
    given += [await queue.get(), await queue.get()]
    assert given == ["b", "b", "a", "b"]


async def test_many_workers_never_hold_the_same_key_at_the_same_time():
    queue: WorkQueue[int] = WorkQueue()
    held: set[int] = set()
    worked = 0
    finished = asyncio.Event()

    async def work():
        nonlocal worked
        while True:
            key = await queue.get()
            assert key not in held
            held.add(key)
            await asyncio.sleep(0)
            queue.add((key + 1) % 5)
            held.discard(key)
            queue.done(key)
            worked += 1
            if worked > 500:
                finished.set()

    queue.add(0)
    queue.add(3)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        workers = [group.create_task(work()) for _ in range(4)]
        await finished.wait()
        for worker in workers:
            worker.cancel()


async def test_the_earliest_of_several_delays_counts_and_an_add_beats_them_all():
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    async with asyncio.timeout(30):
        assert await queue.get() == "a"
    queue.done("a")
    queue.add_after("b", 60)
    queue.add("b")
    assert await queue.get() == "b"
    queue.done("b")
    assert len(queue) == 0
    queue.close()


async def test_failures_wait_longer_each_time_until_one_success():
    queue: WorkQueue[str] = WorkQueue(Backoff(first=1, most=10), jitter=lambda: 1.0)
    assert [queue.retry("a") for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    queue.forget("a")
    assert queue.retry("a") == 1
    queue.close()


@given(failures=st.integers(1, 10_000), jitter=st.floats(0, 1))
def test_a_wait_is_between_half_and_all_of_its_bound(failures, jitter):
    delay = Backoff(first=0.5, most=300).delay(failures, jitter)
    assert 0.25 <= delay <= 300


@pytest.mark.parametrize("seconds", [0, -1])
async def test_no_delay_at_all_adds_at_once(seconds):
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", seconds)
    assert len(queue) == 1
