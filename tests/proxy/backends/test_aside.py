"""Work that no caller waits for: bounded, and no trouble at the end."""

import asyncio

from vmcp_proxy.backends.streamable.background import Aside


async def test_only_so_much_work_goes_on_beside_calls_and_room_comes_back():
    done, hold = [], asyncio.Event()

    async def work(number: int) -> None:
        await hold.wait()
        done.append(number)

    async with asyncio.TaskGroup() as tasks:
        aside = Aside(tasks)
        for number in range(100):
            aside.do(work(number), "work")
        hold.set()
    assert done == list(range(64))


async def test_nothing_is_begun_once_the_process_goes_down():
    async with asyncio.TaskGroup() as tasks:
        aside = Aside(tasks)

    async def work() -> None:
        raise AssertionError("begun")

    aside.do(work(), "late")
