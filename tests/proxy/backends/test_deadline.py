"""When a call ends: progress moves the end, a question to the client holds it, nothing passes the hard bound."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.backends.deadline import Deadline

pytestmark = pytest.mark.scenario("B-3")
SECONDS = st.floats(0.001, 1000)


def test_progress_begins_the_wait_anew_until_the_hard_bound():
    deadline = Deadline.after(100, 8, 20)
    assert (deadline.at, deadline.latest) == (108, 120)
    ends = []
    for now in (105, 112, 113, 119):
        deadline.extend(now)
        ends.append(deadline.at)
    assert ends == [113, 120, 120, 120]


def test_without_a_bound_of_its_own_progress_moves_nothing():
    deadline = Deadline.after(100, 8)
    deadline.extend(107)
    assert (deadline.at, deadline.latest) == (108, 108)


def test_a_bound_below_the_timeout_does_not_shorten_it():
    deadline = Deadline.after(100, 8, 3)
    assert (deadline.at, deadline.latest) == (108, 108)


def test_while_any_question_waits_for_the_client_only_the_hard_bound_counts():
    deadline = Deadline.after(100, 8, 50)
    deadline.hold()
    deadline.hold()
    assert deadline.at == 150
    deadline.release(110)
    assert deadline.at == 150
    deadline.extend(111)
    assert deadline.at == 150
    deadline.release(112)
    assert deadline.at == 120


def test_an_answer_that_nobody_waits_for_does_not_cancel_the_next_question():
    deadline = Deadline.after(100, 8, 50)
    deadline.release(101)
    deadline.hold()
    assert deadline.at == 150
    deadline.release(102)
    assert deadline.at == 110


@given(
    SECONDS,
    SECONDS,
    st.lists(st.tuples(st.sampled_from(("extend", "hold", "release")), st.floats(0, 100))),
)
def test_whatever_happens_the_end_lies_within_the_hard_bound(seconds, maximum, steps):
    deadline = Deadline.after(0, seconds, maximum)
    now, waiting = 0.0, 0
    for step, pause in steps:
        now += pause
        if step == "hold":
            deadline.hold()
        else:
            getattr(deadline, step)(now)
        waiting = max(0, waiting + {"extend": 0, "hold": 1, "release": -1}[step])
        assert deadline.latest == max(seconds, maximum)
        assert deadline.at == (deadline.latest if waiting else min(now + seconds, deadline.latest))


async def test_a_wait_that_has_begun_ends_where_progress_has_moved_it():
    clock = asyncio.get_running_loop().time
    began = clock()
    deadline = Deadline.after(began, 0.15, 0.45)
    beats = 0

    async def progress():
        nonlocal beats
        while True:
            await asyncio.sleep(0.05)
            deadline.extend(clock())
            beats += 1

    beating = asyncio.create_task(progress())
    with pytest.raises(TimeoutError):
        async with deadline.bound():
            await asyncio.Event().wait()
    took = clock() - began
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    # Past the timeout, for there was progress, and over at the hard bound, for all the progress that went on.
    assert 0.4 < took < 5
    assert beats >= 2


async def test_a_wait_ends_by_silence_and_a_held_one_does_not():
    clock = asyncio.get_running_loop().time
    deadline = Deadline.after(clock(), 0.05, 60)
    with pytest.raises(TimeoutError):
        async with deadline.bound():
            await asyncio.Event().wait()
    held = Deadline.after(clock(), 0.05, 60)
    released = asyncio.Event()
    async with held.bound():
        held.hold()
        asyncio.get_running_loop().call_later(0.15, released.set)
        await released.wait()
