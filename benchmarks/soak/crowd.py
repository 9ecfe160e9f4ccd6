"""How the callers of a soak behave over time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeAlias

from benchmarks.soak.callers import Caller, Scene

Behaviour: TypeAlias = Callable[[Scene, Caller], Coroutine[None, None, None]]

_STEADY, _PASSING, _VANISHING, _LISTENING = 24, 6, 4, 4
_LIST_EVERY = 200
_ABANDONED = 0.2
"""How many of those that come and go do not say that they go."""


async def steady(scene: Scene, caller: Caller) -> None:
    """Keeps its session for good and calls at the pace."""
    number = 0
    while not scene.stopping.is_set():
        if caller.is_open or await caller.open():
            number += 1
            await (caller.list_tools() if number % _LIST_EVERY == 0 else caller.call())
            await pause(scene)
    await caller.close()


async def passing(scene: Scene, caller: Caller) -> None:
    """Comes, calls a few times, goes."""
    while not scene.stopping.is_set():
        if await caller.open():
            await caller.list_tools()
            for _ in range(scene.chance.randint(1, 20)):
                await caller.call()
                await pause(scene)
        if scene.chance.random() < _ABANDONED:
            caller.hang_up()
        else:
            await caller.close()


async def vanishing(scene: Scene, caller: Caller) -> None:
    """Hangs up in the middle of calls and comes back to the same session."""
    while not scene.stopping.is_set():
        if caller.is_open or await caller.open():
            await caller.vanish()
            await caller.call()
            await caller.call(wait=scene.chance.uniform(0.0, 0.5))
            await pause(scene)
    await caller.close()


async def listening(scene: Scene, caller: Caller) -> None:
    """Holds a stream for a while beside its calls, and drops it without a word."""
    while not scene.stopping.is_set():
        if await caller.open():
            await caller.listen()
            for _ in range(scene.chance.randint(20, 200)):
                await caller.call()
                await pause(scene)
                if scene.stopping.is_set():
                    break
        await caller.close()


async def pause(scene: Scene) -> None:
    """Waits for the next call; not at all while the pace is full."""
    if scene.pause:
        await asyncio.sleep(scene.chance.expovariate(1.0) * scene.pause)


def behaviours() -> Sequence[Behaviour]:
    """One for each caller."""
    return (*[steady] * _STEADY, *[passing] * _PASSING, *[vanishing] * _VANISHING, *[listening] * _LISTENING)


async def run(scene: Scene, chosen: Sequence[Behaviour], seconds: float) -> None:
    """Lets callers loose until the time is over or something is violated, then has them end what they have open."""
    scene.stopping.clear()
    async with asyncio.TaskGroup() as group:
        for number, behaviour in enumerate(chosen):
            group.create_task(behaviour(scene, Caller(scene, decoys=number % 2 == 1)))
        try:
            async with asyncio.timeout(seconds):
                await scene.ledger.violated.wait()
        except TimeoutError:
            pass
        scene.stopping.set()
