"""What happens to a session that is over: its owner's hook runs, then its header snapshot is dropped."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from typing import Final

from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.sessions.live.session import EndReason, Session

OnEnd = Callable[[Session, EndReason], Awaitable[None]]
"""Deletes the backend sessions when `reason.deletes_backend_sessions`; it may still use the snapshot."""

logger: Final = logging.getLogger("vmcp.sessions")

_HOOK_SECONDS: Final = 10.0
_PARALLEL: Final = 64
_MOST_HELD: Final = 10_000


class Retirements:
    """Runs the hook once per session, many at a time, each bounded.

    A hook that fails or hangs is logged by the session's first digits and costs no other session anything.
    """

    def __init__(self, on_end: OnEnd) -> None:
        self._on_end: Final = on_end
        self._queue: Final[asyncio.Queue[tuple[Session, EndReason]]] = asyncio.Queue()
        self._slots: Final = asyncio.Semaphore(_PARALLEL)
        self._held: Final[dict[Session, tuple[EndReason, asyncio.Event]]] = {}

    def add(self, session: Session, reason: EndReason) -> None:
        """Take over a session that has left the cache."""
        if len(self._held) >= _MOST_HELD:
            # So many backends hang that deleting more of their sessions would only fill the memory.
            log_event(logger, logging.WARNING, "backend sessions left alone", session=session.ref, reason=reason.value)
            reason = EndReason.EVICTED
        self._held[session] = (reason, asyncio.Event())
        self._queue.put_nowait((session, reason))

    async def wait(self, session: Session, seconds: float) -> None:
        """Wait until a session's hook is through, but not for longer than this."""
        held = self._held.get(session)
        if held is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await held[1].wait()
        except TimeoutError:
            return

    async def run(self) -> None:
        """Run hooks until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._retire(*await self._queue.get()))

    async def drain(self, seconds: float) -> None:
        """Run what is left after `run` was cancelled, in this time; then drop every snapshot."""
        try:
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                for session, (reason, _) in tuple(self._held.items()):
                    group.create_task(self._retire(session, reason))
        except TimeoutError:
            log_event(logger, logging.WARNING, "ends of sessions cut off", sessions=len(self._held))
        finally:
            for session in tuple(self._held):
                self._let_go(session)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._held))

    def __len__(self) -> int:
        return len(self._held)

    async def _retire(self, session: Session, reason: EndReason) -> None:
        try:
            # Only what talks to backends waits its turn; the rest is local and quick.
            async with self._slots if reason.deletes_backend_sessions else nullcontext():
                async with asyncio.timeout(_HOOK_SECONDS):
                    await self._on_end(session, reason)
        except Exception as error:  # noqa: BLE001 - one session's backends must not stop the others' expiry
            cause = describe_exception(error)
            log_event(logger, logging.WARNING, "end of a session failed", session=session.ref, error=cause)
        # Not in a finally: a cancelled hook stays held, and `drain` runs it again.
        self._let_go(session)

    def _let_go(self, session: Session) -> None:
        session.drop_snapshot()
        if (held := self._held.pop(session, None)) is not None:
            held[1].set()
