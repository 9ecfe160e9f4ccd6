"""Which passages are asked for next, and how many at once; pure."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from vmcp_proxy.search.embeddings.client import MAX_BATCH
from vmcp_proxy.search.embeddings.errors import Fault
from vmcp_proxy.search.embeddings.passages import SHORT_PASSAGE, Passage

_MAX_REFUSED: Final = 20
"""So many refusals in a row lie with the server or the config: one passage that is refused is found after six."""
_MAX_WAITING: Final = 20_000
"""Passages that wait, 30 MiB at most."""
_QUICK: Final = 0.25
"""The part of the timeout within which an answer makes the next batch larger."""


class Batches:
    """Passages that wait for vectors.

    A batch that was refused is halved until the passage is found that is the reason; a batch that took too long makes
    the next ones smaller.
    """

    def __init__(self) -> None:
        self._waiting: dict[bytes, Passage] = {}
        self._halves: list[tuple[Passage, ...]] = []
        self._size = MAX_BATCH
        self._refused = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, passages: Iterable[Passage]) -> None:
        """More that wait; what waits already, and what is too much, is left out."""
        for passage in passages:
            if len(self._waiting) >= _MAX_WAITING:
                return
            self._waiting.setdefault(passage.digest, passage)

    def clear(self) -> None:
        """Nothing waits any more."""
        self._waiting, self._halves = {}, []

    def take(self) -> tuple[Passage, ...]:
        """The next batch, which waits until it succeeded or was given up; empty where nothing waits."""
        while self._halves:
            half = tuple(passage for passage in self._halves.pop() if passage.digest in self._waiting)
            if half:
                return half
        return tuple(islice(self._waiting.values(), self._size))

    def succeeded(self, batch: Iterable[Passage], seconds: float, timeout: float) -> None:
        """Hears that a batch has vectors, and how long it took."""
        self._refused = 0
        for passage in batch:
            self._waiting.pop(passage.digest, None)
        if seconds < timeout * _QUICK:
            self._size = min(2 * self._size, MAX_BATCH)

    def failed(self, batch: tuple[Passage, ...], fault: Fault) -> tuple[Passage, ...] | None:
        """Hears that a batch has none; passages that are given up, or None where the server is to be left alone."""
        if fault is Fault.SLOW and len(batch) > 1:
            self._size = max(len(batch) // 2, 1)
            self._halves = []
            return ()
        if fault is not Fault.REFUSED:
            return None
        self._refused += 1
        if self._refused > _MAX_REFUSED:
            self._refused, self._halves = 0, []
            return None
        if len(batch) > 1:
            middle = len(batch) // 2
            self._halves += [batch[middle:], batch[:middle]]
            return ()
        (passage,) = batch
        if len(passage.text) > SHORT_PASSAGE:
            shorter = Passage(passage.text[:SHORT_PASSAGE], passage.digest)
            self._waiting[passage.digest] = shorter
            self._halves.append((shorter,))
            return ()
        self._waiting.pop(passage.digest, None)
        return batch
