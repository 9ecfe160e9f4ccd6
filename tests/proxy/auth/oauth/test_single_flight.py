"""One question for all who ask for the same at the same time."""

import asyncio

import pytest

from vmcp_proxy.auth.oauth.single_flight import SingleFlight


class Question:
    """Counts how often it was asked, and waits until it may answer."""

    def __init__(self):
        self.asked = 0
        self.answers = asyncio.Event()

    async def __call__(self):
        self.asked += 1
        await self.answers.wait()
        return self.asked


async def under_way(question, times=1):
    while question.asked < times:  # noqa: ASYNC110 - a turn of the loop each
        await asyncio.sleep(0)


async def test_all_get_the_answer_to_one_question_and_the_next_asks_anew():
    flights, question = SingleFlight(), Question()
    asking = [asyncio.create_task(flights.ask("a", question)) for _ in range(10)]
    await under_way(question)
    question.answers.set()
    assert await asyncio.gather(*asking) == [1] * 10
    assert await flights.ask("a", question) == 2
    assert len(flights) == 0


async def test_other_keys_do_not_wait():
    flights, slow, quick = SingleFlight(), Question(), Question()
    waiting = asyncio.create_task(flights.ask("a", slow))
    await under_way(slow)
    quick.answers.set()
    assert await flights.ask("b", quick) == 1
    slow.answers.set()
    assert await waiting == 1


async def test_who_hangs_up_costs_the_others_nothing():
    flights, question = SingleFlight(), Question()
    first, second, third = (asyncio.create_task(flights.ask("a", question)) for _ in range(3))
    await under_way(question)
    second.cancel()
    first.cancel()
    await under_way(question, 2)
    question.answers.set()
    assert await third == 2
    for each in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await each


async def test_what_was_not_expected_reaches_who_asked_and_the_next_asks_itself():
    flights = SingleFlight()
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def breaks():
        begun.set()
        await goes_on.wait()
        raise RuntimeError("broken")

    async def works():
        return 1

    first = asyncio.create_task(flights.ask("a", breaks))
    await begun.wait()
    second = asyncio.create_task(flights.ask("a", works))
    goes_on.set()
    assert await second == 1
    with pytest.raises(RuntimeError, match="broken"):
        await first
