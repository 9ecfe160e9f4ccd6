"""The bound of one call, which progress and questions to people move."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Deadline:
    """When a call ends, in seconds of the loop's clock: `at` moves with progress, `latest` never.

    While a question of the backend's waits for the client, people may be thinking: only `latest` counts then.
    """

    at: float
    latest: float
    step: float
    _questions: int = field(default=0, init=False)
    _wait: asyncio.Timeout | None = field(default=None, init=False, repr=False)

    @classmethod
    def after(cls, now: float, seconds: float, maximum: float | None = None) -> "Deadline":
        """A deadline `seconds` from now that progress may extend up to `maximum`."""
        return cls(now + seconds, now + (seconds if maximum is None else max(seconds, maximum)), seconds)

    def extend(self, now: float) -> None:
        """Counts progress: the wait begins anew, within the hard bound."""
        self._move(self.latest if self._questions else min(now + self.step, self.latest))

    def hold(self) -> None:
        """Counts a question to the client that the backend waits for."""
        self._questions += 1
        self._move(self.latest)

    def release(self, now: float) -> None:
        """Counts an answer to such a question."""
        self._questions = max(0, self._questions - 1)
        self.extend(now)

    @contextlib.asynccontextmanager
    async def bound(self) -> AsyncIterator[None]:
        """Raises `TimeoutError` at `at`, wherever it moves to meanwhile; one wait at a time."""
        async with asyncio.timeout_at(self.at) as wait:
            self._wait = wait
            try:
                yield
            finally:
                self._wait = None

    def _move(self, at: float) -> None:
        self.at = at
        if self._wait is not None and not self._wait.expired():
            self._wait.reschedule(at)
