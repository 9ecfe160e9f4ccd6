"""How long the processes of a soak were ready to run and had no processor, as Linux counts it.

The second number of /proc/<pid>/schedstat (Documentation/scheduler/sched-stats.rst of the kernel), in nanoseconds since
the process began, of its first thread: the one with the event loop. Where there is none, nothing was waited for.
"""

import asyncio
import bisect
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.procfs import family_of

SAMPLE_SECONDS = 0.25
_KEPT = 400


class Starvation:
    """Adds up the waits of this process, of one other and of its descendants, since the last `look` by each."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._last: dict[int, int] = {}
        self._total = 0
        self._samples: deque[tuple[float, int]] = deque(maxlen=_KEPT)
        self.look()

    def look(self) -> None:
        """Adds what has been waited for since the last look."""
        seen = {pid: waited_of(pid) for pid in {os.getpid(), *_family_of(self._pid)}}
        self._total += sum(max(waited - self._last.get(pid, 0), 0) for pid, waited in seen.items())
        self._last = seen
        self._samples.append((asyncio.get_running_loop().time(), self._total))

    @property
    def total(self) -> float:
        """Seconds that were waited for so far, all processes together."""
        return self._total / 1e9

    def since(self, begun: float) -> float:
        """Seconds that were waited for from a loop time on until now, all processes together."""
        self.look()
        first = max(bisect.bisect_right(self._samples, begun, key=lambda sample: sample[0]) - 1, 0)
        return (self._total - self._samples[first][1]) / 1e9


@contextlib.asynccontextmanager
async def watched(pid: int) -> AsyncIterator[Starvation]:
    """Looks again and again while the block runs."""
    starvation = Starvation(pid)

    async def look() -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            starvation.look()

    looking = asyncio.create_task(look())
    try:
        yield starvation
    finally:
        looking.cancel()


def waited_of(pid: int) -> int:
    """Nanoseconds that a process was ready to run and did not."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _family_of(pid: int) -> list[int]:
    try:
        return family_of(pid)
    except OSError:
        return []
