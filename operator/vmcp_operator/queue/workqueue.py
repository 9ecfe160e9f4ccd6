"""A queue of keys with the rules of controller-runtime's (ADR-0003)."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry

from vmcp_operator.queue.metrics import QueueMetrics

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits after failures: doubling from `first` to `most` seconds, each between half and all of it."""

    first: float = 0.5
    most: float = 300.0

    def delay(self, failures: int, jitter: float) -> float:
        """Seconds to wait after that many failures in a row; `jitter` is between 0 and 1."""
        # Beyond 32 doublings the bound holds anyway, and a float would overflow.
        whole = min(self.most, self.first * 2.0 ** min(failures - 1, 32))
        return whole * (0.5 + 0.5 * jitter)


class WorkQueue(Generic[K]):
    """Keys to work on: at most once in the queue, never given out twice at a time.

    A key that is added while somebody works on it comes back once that is `done`. Those come first that have waited
    longest beyond their `patience` (seconds): one with more of it lets others go before, and is never passed for ever.
    All methods belong to the loop's thread. `len` counts keys that wait for a worker, delayed ones not.
    """

    def __init__(
        self,
        backoff: Backoff | None = None,
        *,
        jitter: Callable[[], float] = random.random,
        patience: Callable[[K], float] = lambda _: 0.0,
        clock: Callable[[], float] = time.monotonic,
        metrics: QueueMetrics[K] | None = None,
    ) -> None:
        self._backoff: Final = backoff or Backoff()
        self._jitter: Final = jitter
        self._patience: Final = patience
        self._ready: Final[asyncio.PriorityQueue[tuple[float, int, K]]] = asyncio.PriorityQueue()
        self._order: Final = itertools.count()
        self._metrics: Final = metrics or QueueMetrics[K](CollectorRegistry(), str)
        self._clock: Final = clock
        self._dirty: Final[set[K]] = set()
        self._waiting: Final[dict[K, float]] = {}
        self._running: Final[dict[K, float]] = {}
        self._delayed: Final[dict[K, asyncio.TimerHandle]] = {}
        self._failures: Final[dict[K, int]] = {}
        self._metrics.follow(self)

    def __len__(self) -> int:
        return self._ready.qsize()

    @property
    def running(self) -> frozenset[K]:
        """Keys that somebody works on."""
        return frozenset(self._running)

    def waiting(self) -> Iterator[tuple[K, float]]:
        """Keys that wait for a worker, with the seconds for which they have."""
        now = self._clock()
        return ((key, now - since) for key, since in self._waiting.items())

    def worked_on(self) -> Iterator[tuple[K, float]]:
        """Keys that somebody works on, with the seconds for which somebody has."""
        now = self._clock()
        return ((key, now - since) for key, since in self._running.items())

    def add(self, key: K) -> None:
        """Lets a key be worked on once more, as soon as possible."""
        if handle := self._delayed.pop(key, None):
            handle.cancel()
        if key in self._dirty:
            return
        self._dirty.add(key)
        self._metrics.added(key)
        if key not in self._running:
            self._enqueue(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Adds a key later; the earliest of several such times counts."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        before = self._delayed.get(key)
        if before is not None and before.when() <= loop.time() + seconds:
            return
        if before is not None:
            before.cancel()
        self._delayed[key] = loop.call_later(seconds, self.add, key)

    def retry(self, key: K) -> float:
        """Adds a key after a failure, later each time; the answer is the wait in seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._metrics.retried(key)
        seconds = self._backoff.delay(failures, self._jitter())
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: K) -> None:
        """Lets the next failure of a key be its first."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key; the caller owes a `done` for it."""
        _, _, key = await self._ready.get()
        self._dirty.discard(key)
        now = self._running[key] = self._clock()
        self._metrics.taken(key, now - self._waiting.pop(key))
        return key

    def done(self, key: K) -> None:
        """Gives a key back; it is worked on again if it was added meanwhile."""
        self._metrics.done(key, self._clock() - self._running.pop(key))
        if key in self._dirty:
            self._enqueue(key)

    def close(self) -> None:
        """Drops the timers."""
        self._metrics.follow(None)
        for handle in self._delayed.values():
            handle.cancel()
        self._delayed.clear()

    def _enqueue(self, key: K) -> None:
        now = self._waiting[key] = self._clock()
        self._ready.put_nowait((now + self._patience(key), next(self._order), key))
