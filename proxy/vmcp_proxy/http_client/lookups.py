"""Looking up names in threads of their own, so that one that hangs delays no other (ADR-0071)."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Final, TypeAlias

MOST_THREADS: Final = 64
MOST_SLOW_THREADS: Final = 16
"""Threads that names may have together whose last lookup was slow; the others are for all other names."""

SLOW_SECONDS: Final = 1.0
_MOST_KNOWN: Final = 1024
"""Slow names that are remembered."""
_KEPT_THREADS: Final = 2
"""Threads that wait for more to do."""
_CLOSED: Final = "nothing is looked up any more"

LookUp: TypeAlias = Callable[[str], Sequence[str]]
"""Blocks until it has the addresses of a name as text, best first; OSError or UnicodeError when there are none."""
_Outcome: TypeAlias = Sequence[str] | Exception


def look_up_by_system(host: str) -> Sequence[str]:
    """Ask the operating system: its hosts file, its search domains, its servers."""
    return _addresses(host, 0)


def _addresses(host: str, flags: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def read_address(host: str) -> Sequence[str]:
    """The address that a host is written as, short forms such as ``127.1`` too; empty for a name. Asks nobody."""
    if not (":" in host or host[-1:].isdigit() or host[:1].isdigit()):
        return ()
    with suppress(OSError, UnicodeError):
        return _addresses(host, socket.AI_NUMERICHOST)
    return ()


class _Lookup:
    """One lookup of one name, and who waits for it."""

    __slots__ = ("has_begun", "host", "waiters")

    def __init__(self, host: str) -> None:
        self.host: Final = host
        self.has_begun = False
        self.waiters: Final[set[asyncio.Future[_Outcome]]] = set()

    def tell(self, outcome: _Outcome) -> None:
        """Tells all who wait."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(outcome)


_Jobs: TypeAlias = "SimpleQueue[_Lookup | None]"
"""What one thread is to do; None ends it."""


class Lookups:
    """The addresses of names, each asked for in at most one thread at a time; of one event loop.

    No thread can be stopped: a lookup that nobody waits for any more goes on, keeps the thread that it has, and is
    joined by who asks for the same name meanwhile. Nothing is kept of an answer but how long it took. The threads hold
    up no end of the process.
    """

    def __init__(
        self,
        look_up: LookUp = look_up_by_system,
        *,
        most: int = MOST_THREADS,
        most_slow: int = MOST_SLOW_THREADS,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self._look_up: Final = look_up
        self._most: Final = most
        self._most_slow: Final = most_slow
        self._slow_seconds: Final = slow_seconds
        self._lookups: Final[dict[str, _Lookup]] = {}
        self._threads: Final[set[_Jobs]] = set()
        self._idle: Final[list[_Jobs]] = []
        self._slow: Final[dict[str, float]] = {}
        """Names whose last lookup was slow, and when it ended."""
        self._slow_busy: Final[set[str]] = set()
        self._is_closed = False

    @property
    def threads(self) -> int:
        """How many there are now, busy or not."""
        return len(self._threads)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses, best first; waits for as long as the caller does.

        Raises:
            OSError: there is none.
            UnicodeError: it is no name.
        """
        del port
        if address := read_address(host):
            return address
        if self._is_closed:
            raise OSError(_CLOSED)
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._lookups[host] = _Lookup(host)
        waiter: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
        lookup.waiters.add(waiter)
        try:
            self._begin()
            outcome = await waiter
        finally:
            lookup.waiters.discard(waiter)
            if not lookup.has_begun and not lookup.waiters:
                self._lookups.pop(host, None)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """Ends the threads that have nothing to do, the others once they are through; waits for none."""
        self._is_closed = True
        for lookup in self._lookups.values():
            lookup.tell(OSError(_CLOSED))
        for jobs in self._threads:
            jobs.put(None)
        self._threads.clear()
        self._idle.clear()

    def _begin(self) -> None:
        """Begins as much of what waits as there are threads for."""
        while len(self._threads) - len(self._idle) < self._most and (lookup := self._next()) is not None:
            try:
                jobs = self._idle.pop() if self._idle else self._add_thread()
            except RuntimeError:
                # The system gives no more threads: those that there are take it up, or whoever asks next.
                return
            lookup.has_begun = True
            if lookup.host in self._slow:
                self._slow_busy.add(lookup.host)
            jobs.put(lookup)

    def _next(self) -> _Lookup | None:
        """What waits first: names not known to be slow, then of the others that whose last turn is longest ago."""
        waiting = [lookup for lookup in self._lookups.values() if not lookup.has_begun]
        quick = next((lookup for lookup in waiting if lookup.host not in self._slow), None)
        if quick is not None or not waiting or len(self._slow_busy) >= self._most_slow:
            return quick
        return min(waiting, key=lambda lookup: self._slow[lookup.host])

    def _add_thread(self) -> _Jobs:
        jobs: _Jobs = SimpleQueue()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, args=(jobs, loop), name="look up a name", daemon=True).start()
        self._threads.add(jobs)
        return jobs

    def _work(self, jobs: _Jobs, loop: asyncio.AbstractEventLoop) -> None:
        while (lookup := jobs.get()) is not None:
            if not self._run(lookup, jobs, loop):
                return
            del lookup

    def _run(self, lookup: _Lookup, jobs: _Jobs, loop: asyncio.AbstractEventLoop) -> bool:
        """Looks one name up; False where the loop is closed, and nobody is left to hear of it."""
        outcome: _Outcome
        began = time.monotonic()
        try:
            outcome = self._look_up(lookup.host)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            outcome = error.with_traceback(None)
        try:
            loop.call_soon_threadsafe(self._end, jobs, lookup, outcome, time.monotonic() - began)
        except RuntimeError:
            return False
        return True

    def _end(self, jobs: _Jobs, lookup: _Lookup, outcome: _Outcome, seconds: float) -> None:
        del self._lookups[lookup.host]
        self._slow_busy.discard(lookup.host)
        self._slow.pop(lookup.host, None)
        if seconds >= self._slow_seconds:
            self._slow[lookup.host] = time.monotonic()
            if len(self._slow) > _MOST_KNOWN:
                del self._slow[next(iter(self._slow))]
        lookup.tell(outcome)
        if self._is_closed:
            return
        self._idle.append(jobs)
        self._begin()
        if len(self._idle) > _KEPT_THREADS:
            spare = self._idle.pop()
            self._threads.remove(spare)
            spare.put(None)
