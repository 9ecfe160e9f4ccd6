"""What answers that are read from backends hold together: who waits, who goes on, who is given up."""

import asyncio

import pytest

from tests.support.raw_client import eventually
from vmcp_proxy.backends.budget import UNCOUNTED_BYTES, ReadBudget

MOST = 10 * UNCOUNTED_BYTES
LARGE = 6 * UNCOUNTED_BYTES


def never():
    raise AssertionError("an answer was given up")


async def waiting(lease, size):
    """A task that has begun to wait for room."""
    task = asyncio.create_task(lease.hold(size))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    return task


def test_small_answers_are_not_counted():
    budget = ReadBudget(most_bytes=0)
    assert all(budget.lease(never).try_hold(UNCOUNTED_BYTES) for _ in range(1000))


async def test_an_answer_waits_until_another_one_has_ended():
    budget = ReadBudget(MOST)
    first, second = budget.lease(never), budget.lease(never)
    await first.hold(LARGE)
    task = await waiting(second, LARGE)
    first.drop()
    async with asyncio.timeout(10):
        await task
    assert repr(budget) == f"<ReadBudget {LARGE} bytes in 1 answers>"


async def test_an_answer_waits_until_another_one_is_handed_over_in_part():
    budget = ReadBudget(MOST)
    first, second = budget.lease(never), budget.lease(never)
    await first.hold(LARGE)
    task = await waiting(second, LARGE)
    assert first.try_hold(2 * UNCOUNTED_BYTES)
    async with asyncio.timeout(10):
        await task


async def test_the_oldest_never_waits_so_that_one_always_comes_to_its_end():
    budget = ReadBudget(MOST)
    leases = [budget.lease(never) for _ in range(5)]
    for lease in leases:
        assert lease.try_hold(2 * UNCOUNTED_BYTES)
    assert not leases[1].try_hold(4 * UNCOUNTED_BYTES)
    assert leases[0].try_hold(100 * MOST)
    leases[0].drop()
    assert leases[1].try_hold(100 * MOST)


async def test_the_next_in_age_goes_on_first_however_many_small_ones_come_after_it():
    budget = ReadBudget(MOST)
    first, second = budget.lease(never), budget.lease(never)
    await first.hold(LARGE)
    task = await waiting(second, 2 * MOST)
    later = [budget.lease(never) for _ in range(2)]
    assert all(each.try_hold(2 * UNCOUNTED_BYTES) for each in later)
    first.drop()
    async with asyncio.timeout(10):
        await task


async def test_one_that_stalls_while_others_wait_is_given_up_and_one_alone_is_not():
    gone = []
    budget = ReadBudget(MOST, patience=0.0)
    stalled, second = budget.lease(lambda: gone.append("stalled")), budget.lease(never)
    await stalled.hold(LARGE)
    await asyncio.sleep(0)
    assert not gone
    async with asyncio.timeout(10):
        await second.hold(LARGE)
    assert gone == ["stalled"]
    assert stalled.is_ended
    assert not second.is_ended


async def test_one_that_has_waited_for_long_has_its_time_when_it_gets_room():
    budget = ReadBudget(MOST, patience=0.5)
    stalled = budget.lease(lambda: None)
    await stalled.hold(LARGE)
    second, third = budget.lease(never), budget.lease(never)
    tasks = [await waiting(each, MOST) for each in (second, third)]
    async with asyncio.timeout(10):
        await tasks[0]
        for _ in range(10):
            await asyncio.sleep(0)
        second.drop()
        await tasks[1]
    assert stalled.is_ended


async def test_one_that_has_waited_since_it_had_room_for_a_part_has_its_time_when_it_is_the_oldest():
    gone = []
    budget = ReadBudget(MOST, patience=3600.0)
    first, second, third = budget.lease(never), budget.lease(lambda: gone.append("second")), budget.lease(never)
    assert first.try_hold(LARGE)
    assert second.try_hold(2 * UNCOUNTED_BYTES)
    second.since -= 3600.0
    tasks = [await waiting(third, MOST), await waiting(second, LARGE)]
    first.drop()
    async with asyncio.timeout(10):
        await tasks[1]
    for _ in range(10):
        await asyncio.sleep(0)
    assert not gone
    tasks[0].cancel()


async def test_whoever_stops_waiting_leaves_nothing_behind():
    budget = ReadBudget(MOST)
    first, second = budget.lease(never), budget.lease(never)
    await first.hold(LARGE)
    task = await waiting(second, LARGE)
    task.cancel()
    await eventually(task.done)
    with pytest.raises(asyncio.CancelledError):
        await task
    second.drop()
    first.drop()
    assert repr(budget) == "<ReadBudget 0 bytes in 0 answers>"


async def test_while_clients_leave_no_room_not_even_the_oldest_goes_on_and_it_loses_no_patience_by_it():
    budget = ReadBudget(MOST, patience=0.0)
    oldest, second = budget.lease(never), budget.lease(never)
    assert oldest.try_hold(LARGE)
    budget.limit(-1)
    assert not budget.is_held_back
    assert not oldest.try_hold(2 * LARGE)
    tasks = [await waiting(oldest, 2 * LARGE), await waiting(second, LARGE)]
    assert budget.is_held_back
    budget.limit(-2)
    await asyncio.sleep(0)
    assert budget.is_held_back
    budget.limit(0)
    async with asyncio.timeout(10):
        await tasks[0]
    oldest.drop()
    budget.limit(LARGE)
    async with asyncio.timeout(10):
        await tasks[1]


async def test_all_but_the_oldest_have_together_no_more_than_clients_leave_them():
    budget = ReadBudget(MOST)
    first, second, third = (budget.lease(never) for _ in range(3))
    budget.limit(4 * UNCOUNTED_BYTES)
    assert first.try_hold(2 * UNCOUNTED_BYTES)
    assert second.try_hold(2 * UNCOUNTED_BYTES)
    assert not third.try_hold(2 * UNCOUNTED_BYTES)
    assert first.try_hold(2 * MOST)


async def test_those_that_wait_for_clients_have_room_in_the_order_in_which_they_came():
    budget = ReadBudget(MOST)
    budget.limit(-1)
    order = []

    async def read(number):
        lease = budget.lease(never)
        await lease.hold(LARGE)
        order.append(number)
        lease.drop()

    tasks = []
    for number in range(8):
        tasks.append(asyncio.create_task(read(number)))
        await asyncio.sleep(0)
    budget.limit(0)
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)
    assert order == list(range(8))
