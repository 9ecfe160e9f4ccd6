"""What workflows may hold and how long they wait between attempts: decided without I/O."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from vmcp_api.templates import TemplateError
from vmcp_proxy.core.shares import Shares
from vmcp_proxy.workflows.acts import ToolFailure

MOST_RUNNING: Final = 256
"""Workflows that run at once in one process."""

MOST_HELD: Final = 64 << 20
"""Bytes that one workflow may hold: its arguments, those of its calls, the results of its steps, decoded where read."""

MOST_HELD_IN_ALL: Final = 128 << 20
"""The same for all workflows of the process together: a pod has 768 MiB by default, and has to read and write too."""

MOST_PAUSE: Final = 60.0
"""Seconds between two attempts at most, unless who refused one asked for more."""


def places(most_running: int = MOST_RUNNING) -> Shares:
    """The places of workflows: whoever goes away while a question is open holds one until that is over."""
    return Shares(most_running, max(most_running // 4, 1))


class Held:
    """The bytes that one run holds of what there is for all, until it gives them back."""

    def __init__(self, shelf: Shares, holder: Hashable, most: int = MOST_HELD) -> None:
        self._shelf: Final = shelf
        self._holder: Final = holder
        self._left = most
        self._size = 0

    @property
    def room(self) -> int:
        """How many more it may hold."""
        room = self._shelf.room(self._holder)
        return min(self._left, room)

    def lack(self, size: int) -> str:
        """What something of this size takes that is not there, as the object of a sentence; empty where it fits."""
        if size <= self.room:
            return ""
        if size > self._left:
            return "more memory, with what its steps gave, than a workflow may have"
        return "more memory than the workflows that run now have left; try again later"

    def take(self, size: int) -> None:
        """Holds something for which there is room."""
        self._size += size
        self._left -= size
        self._shelf.take(self._holder, size)

    def take_for(self, size: int, what: str) -> None:
        """Holds something, which errors call `what`.

        Raises:
            TemplateError: there is no room for it.
        """
        if lack := self.lack(size):
            raise TemplateError(f"{what} take {lack}")
        self.take(size)

    @contextmanager
    def holding(self, size: int, what: str) -> Iterator[None]:
        """As `take_for`, for the length of a block.

        Raises:
            TemplateError: there is no room for it.
        """
        self.take_for(size, what)
        try:
            yield
        finally:
            self.take(-size)

    def give_back(self) -> None:
        """Holds nothing any more: the run is over."""
        self._shelf.take(self._holder, -self._size)
        self._size = 0


def pause_before(attempt: int, delay: float, failure: ToolFailure | None, jitter: Callable[[float], float]) -> float:
    """Seconds to wait before the attempt after this one: exponential with full jitter, or what was asked for if longer.

    Many callers that failed together would otherwise come back together.
    """
    drawn = jitter(min(delay * 2 ** (attempt - 1), MOST_PAUSE))
    return max(drawn, failure.retry_after or 0.0) if failure is not None else drawn
