"""A loop whose clock jumps to the next timer, so that hours pass at once and at exact times."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Waits for nobody: where the loop would wait, time passes."""

    clock: "VirtualLoop"

    def select(self, timeout=None):
        assert timeout is not None, "everything waits, and no timer would end it"
        self.clock.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; `now` is its time in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Selector()
        selector.clock = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that waits for nothing but timers."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
