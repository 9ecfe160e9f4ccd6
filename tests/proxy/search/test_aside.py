"""Work beside the event loop, so much of it at once."""

import asyncio
import threading

import pytest

from vmcp_proxy.search.aside import Aside


async def test_so_many_run_at_once_and_the_others_in_their_turn():
    aside, go, running = Aside(2), threading.Event(), []

    def work(number: int) -> int:
        running.append(number)
        assert go.wait(30)
        return number

    tasks = [asyncio.create_task(aside.run(work, number)) for number in range(5)]
    async with asyncio.timeout(30):
        while len(running) < 2:  # noqa: ASYNC110 - threads set no event of the loop
            await asyncio.sleep(0.001)
    # What waited for a thread alone would have begun before this.
    await asyncio.to_thread(lambda: None)
    assert sorted(running) == [0, 1]
    go.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]


async def test_what_is_raised_there_is_raised_here_and_takes_no_turn_away():
    aside = Aside(1)

    def fail() -> None:
        raise ValueError("there")

    for _ in range(3):
        with pytest.raises(ValueError, match="there"):
            await aside.run(fail)
    assert await aside.run(lambda: 1) == 1


async def test_a_turn_is_over_when_its_function_is_and_not_when_nobody_waits_for_it_any_more():
    aside, go, running = Aside(2), threading.Event(), []

    def work(number: int) -> int:
        running.append(number)
        assert go.wait(30)
        return number

    left = [asyncio.create_task(aside.run(work, number)) for number in range(2)]
    async with asyncio.timeout(30):
        while len(running) < 2:  # noqa: ASYNC110 - threads set no event of the loop
            await asyncio.sleep(0.001)
    for task in left:
        task.cancel()
    assert all(map(_is_cancelled, await asyncio.gather(*left, return_exceptions=True)))
    after = asyncio.create_task(aside.run(work, 2))
    impatient = asyncio.create_task(aside.run(work, 3))
    # What had a thread would have begun before these.
    for _ in range(3):
        await asyncio.to_thread(lambda: None)
    impatient.cancel()
    assert _is_cancelled((await asyncio.gather(impatient, return_exceptions=True))[0])
    assert sorted(running) == [0, 1]
    go.set()
    assert await after == 2
    # Both turns are there again, and what gave up waiting never began.
    assert sorted(await asyncio.gather(aside.run(work, 4), aside.run(work, 5))) == [4, 5]
    assert 3 not in running


async def test_the_threads_are_none_of_those_that_everything_else_needs():
    aside = Aside(2)
    threads = {await aside.run(threading.current_thread) for _ in range(3)}
    assert not threads & {await asyncio.to_thread(threading.current_thread)}
    aside.close()
    with pytest.raises(RuntimeError):
        await aside.run(lambda: None)
    async with asyncio.timeout(30):
        while any(thread.is_alive() for thread in threads):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.001)


def _is_cancelled(outcome: object) -> bool:
    return isinstance(outcome, asyncio.CancelledError)
