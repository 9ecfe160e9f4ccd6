"""What the queue asks of a sink."""

from collections.abc import Sequence
from typing import Protocol


class SinkAwayError(Exception):
    """A sink takes nothing now: what was not sent waits, and is tried again.

    `sent` is how many of the lines, from the first on, are done with; `refused` how many of these it will never take.
    `retry_after` is the pause that it asks for, in seconds. `reason` may stand in a log.
    """

    def __init__(self, reason: str, *, sent: int = 0, refused: int = 0, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.refused = refused
        self.retry_after = retry_after


class Sink(Protocol):
    """Sends lines, in one thread; each wait in it is bounded."""

    def send(self, lines: Sequence[bytes]) -> int:
        """Sends all of them in their order; how many of them it will never take.

        Raises:
            SinkAwayError: it takes no more for now.
            OSError: the same, and nothing was sent.
        """
        ...

    def close(self) -> None:
        """Lets go of what it holds; called in the same thread, after the last `send`."""
        ...
