"""A call that may ask its client something: what comes next, together where it comes together, and its end."""

import asyncio
import contextlib

import msgspec
import pytest

from vmcp_proxy.core.calls.pausing.running_call import MOST_OPEN, Answered, Asked, RunningCall
from vmcp_proxy.core.outcomes import Result, Unavailable
from vmcp_proxy.protocol.params import InvalidParamsError

DONE = Result(b'{"content":[]}', "a")
ELICIT = "elicitation/create"


@contextlib.asynccontextmanager
async def running(work, **options):
    """The call whose work gets it; whatever it leaves behind ends with the block."""
    async with asyncio.TaskGroup() as tasks:
        call = RunningCall(**options)
        call.begin(tasks, lambda: work(call), "call")
        yield call
        call.cancel()


async def ask(call, params=b"{}"):
    """The client's answer to a question of the call."""
    answer = asyncio.get_running_loop().create_future()

    async def on_answer(raw):
        answer.set_result(bytes(raw))

    assert call.ask(ELICIT, msgspec.Raw(params), on_answer) is not None
    return await answer


def raw(text):
    return msgspec.Raw(text)


async def test_a_call_that_asks_nothing_is_answered():
    async def work(_call):
        return DONE

    async with running(work) as call:
        assert await call.next() == Answered(DONE)
        assert await call.next() == Answered(DONE)
        assert call.is_over


async def test_what_it_raises_reaches_who_serves_it_and_no_other_task():
    async def work(_call):
        raise InvalidParamsError("no")

    async with running(work) as call:
        for _ in range(2):
            with pytest.raises(InvalidParamsError, match="no"):
                await call.next()


async def test_it_goes_on_with_the_answer():
    async def work(call):
        return Result(await ask(call), "a")

    async with running(work) as call:
        asked = await call.next()
        assert [(each.key, each.method) for each in asked.questions] == [("q1", ELICIT)]
        await call.answer({"q1": raw(b'{"action":"accept"}')})
        assert await call.next() == Answered(Result(b'{"action":"accept"}', "a"))


async def test_questions_that_come_together_go_out_together_and_a_later_one_with_its_own_key():
    go_on = asyncio.Event()

    async def work(call):
        async with asyncio.TaskGroup() as group:
            first, second = group.create_task(ask(call, b'{"n":1}')), group.create_task(ask(call, b'{"n":2}'))
            await go_on.wait()
            third = group.create_task(ask(call, b'{"n":3}'))
        return Result(b"".join([first.result(), second.result(), third.result()]), "a")

    async with running(work) as call:
        asked = await call.next()
        assert [(each.key, bytes(each.params)) for each in asked.questions] == [("q1", b'{"n":1}'), ("q2", b'{"n":2}')]
        # One answer: what is still open is asked again, under the same key.
        await call.answer({"q2": raw(b"{2}")})
        go_on.set()
        again = await call.next()
        assert [each.key for each in again.questions] == ["q1", "q3"]
        await call.answer({"q3": raw(b"{3}"), "q1": raw(b"{1}"), "q2": raw(b"{late}"), "odd": raw(b"{}")})
        assert await call.next() == Answered(Result(b"{1}{2}{3}", "a"))


async def test_a_question_that_is_taken_back_is_not_asked():
    async def work(call):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await ask(call)
        call.withdraw("q1")
        return Result(await ask(call), "a")

    async with running(work) as call:
        asked = await call.next()
        assert [each.key for each in asked.questions] == ["q2"]
        assert call.open == ("q2",)


async def test_an_answer_that_comes_while_others_are_waited_for_is_the_end():
    async def work(call):
        question = asyncio.create_task(ask(call))
        await asyncio.sleep(0)
        question.cancel()
        return DONE

    async with running(work) as call:
        assert await call.next() == Answered(DONE)
        assert call.open == ()


async def test_a_call_that_is_given_up_ends_and_says_so():
    ended = []

    async def work(call):
        try:
            return Result(await ask(call), "a")
        finally:
            ended.append("work")

    async with running(work, on_done=lambda call: ended.append(call.is_over)) as call:
        assert isinstance(await call.next(), Asked)
        call.cancel()
        over = await call.next()
        assert isinstance(over.reply, Unavailable)
        assert ended == ["work", True]


async def test_a_call_that_is_given_up_before_it_has_begun_ends_too():
    async def work(_call):
        return DONE

    async with running(work) as call:
        call.cancel()
        assert isinstance((await call.next()).reply, Unavailable)


async def test_a_call_has_so_many_questions_open_and_no_more():
    async def work(call):
        async def on_answer(_raw):
            pass

        keys = [call.ask(ELICIT, None, on_answer) for _ in range(MOST_OPEN + 1)]
        assert keys[-1] is None
        await asyncio.Event().wait()

    async with running(work) as call:
        assert len((await call.next()).questions) == MOST_OPEN


async def test_who_waits_for_a_call_may_go_away_without_it():
    async def work(call):
        return Result(await ask(call), "a")

    async with running(work) as call:
        asked = await call.next()
        await call.answer({})
        waiting = asyncio.create_task(call.next())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await call.next() == asked
