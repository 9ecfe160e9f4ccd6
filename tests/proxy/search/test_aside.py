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
