"""Housekeeping of a pod's sessions: expiry, uses and ends that the store should hear of."""

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from vmcp_proxy.sessions.keyed.ids import SessionIds
from vmcp_proxy.sessions.live.cache import SessionCache
from vmcp_proxy.sessions.live.record_codec import record_of, times_of
from vmcp_proxy.sessions.live.session import EndReason, Session
from vmcp_proxy.sessions.live.shared_state import SharedState
from vmcp_proxy.sessions.store.protocol import Presence, SessionStore, StoreUnavailable, Touch
from vmcp_proxy.sessions.upkeep.end_hooks import Retirements
from vmcp_proxy.sessions.upkeep.pending_ends import PendingEnds
from vmcp_proxy.sessions.upkeep.timing import Pace

_BATCH: Final = 256
_NOBODY: Final = "nobody"
# All pods of a Redis that was away are back within this time.
_RETURN_SECONDS: Final = 3.0


class Upkeep:
    """One tick after another; every step but the expiry of local copies waits while the store is away."""

    def __init__(
        self,
        *,
        store: SessionStore,
        ids: SessionIds,
        cache: SessionCache,
        pending: PendingEnds,
        retirements: Retirements,
        shared: SharedState,
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        self.pace = pace
        self._store: Final = store
        self._ids: Final = ids
        self._cache: Final = cache
        self._pending: Final = pending
        self._retirements: Final = retirements
        self._shared: Final = shared
        self._clock: Final = clock
        self._wake: Final = asyncio.Event()
        self._away_at = -math.inf

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await self.tick()
            try:
                async with asyncio.timeout(self.pace.tick):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    def wake(self) -> None:
        """Tick now."""
        self._wake.set()

    def doubt_all(self) -> None:
        """Have every session confirmed by the store before its next use: ends may have been missed.

        Redis may have lost its data: the other pods set their sessions again now, and until they have, an idle
        copy here must not be taken for the last one.
        """
        self._cache.epoch += 1
        for session in self._cache:
            # The pod that sets a session again may not be the one that holds its stream.
            if session.stream is not None:
                session.streams_unsaved |= {session.stream}
        if len(self._cache) or len(self._pending):
            self.note_loss()
        self.wake()

    def note_loss(self) -> None:
        """Take note that Redis may be another one, and empty, when it is next heard of."""
        self._away_at = self._clock()

    async def tick(self) -> None:
        """Do everything that is due."""
        self._sweep()
        try:
            if not self._store.state.available:
                # Nothing else may be due for long, and the status must not stay bad for want of asking.
                await self._store.touch([Touch(_NOBODY, 0.0)], self.pace.ttl)
            await self._settle_ends()
            await self.touch(self._doubted())
            await self.touch(self._unwritten())
            for session in self._cache:
                if session.is_unsaved:
                    await self._shared.save(session)
        except StoreUnavailable:
            self.note_loss()
            self._pending.drop_snapshots()

    async def touch(self, sessions: Iterable[Session]) -> None:
        """Write uses to the store, and take from it which sessions are over.

        Raises:
            StoreUnavailable: some were not written.
        """
        for batch in _batched(tuple(sessions)):
            now, epoch = self._clock(), self._cache.epoch
            sent = [session.last_seen for session in batch]
            touches = [Touch(session.digest.hex, now - session.last_seen) for session in batch]
            answers = await self._store.touch(touches, self.pace.ttl)
            for session, seen, presence in zip(batch, sent, answers, strict=True):
                if await self._settle(session, presence, now):
                    session.note_written(sent=seen, started=now, now=self._clock())
                    session.checked = epoch

    def drop(self, session: Session, reason: EndReason) -> None:
        """Take a session out of use at once and hand it to its hook; one that is not held is only closed."""
        if self._cache.remove(session, reason):
            self._retirements.add(session, reason)
        else:
            session.close(reason)

    async def write_all(self) -> None:
        """Write every use and every end that the store has not heard of; the last act before shutdown.

        Raises:
            StoreUnavailable: some were not written.
        """
        await self._settle_ends()
        await self.touch(session for session in self._cache if session.is_used_since)

    async def _settle(self, session: Session, presence: Presence, now: float) -> bool:
        if presence is Presence.MISSING and session.ended is None:
            record = record_of(session, self._ids.keyring)
            presence = await self._store.create(session.digest.hex, record, times_of(session, now), self.pace.ttl)
        if presence is Presence.ENDED:
            self.drop(session, EndReason.ENDED_ELSEWHERE)
        return presence is Presence.LIVE

    def _sweep(self) -> None:
        now, pace = self._clock(), self.pace
        for session in self._cache:
            if session.in_use:
                session.touch(now)
            is_over = now >= session.deadline
            if is_over or now - session.last_seen > pace.ttl + pace.grace:
                self._cache.remove(session, EndReason.EXPIRED)
                # One tick less than here: the store's clock must not find the session in use for a rounding.
                self._pending.bury_idle(session, -1.0 if is_over else pace.ttl + pace.grace - pace.tick)

    async def _settle_ends(self) -> None:
        now = self._clock()
        await self._pending.flush_ends(self._store, now)
        while now >= self._away_at + max(self.pace.grace, _RETURN_SECONDS):
            verdicts = await self._pending.flush_idle(self._store, now)
            if not verdicts:
                return
            for session, reason in verdicts:
                session.ended = reason
                self._retirements.add(session, reason)

    def _doubted(self) -> Iterator[Session]:
        oldest = self._clock() - self.pace.ttl
        return (
            session for session in self._cache if session.checked != self._cache.epoch and session.last_seen > oldest
        )

    def _unwritten(self) -> Iterator[Session]:
        latest = self._clock() - self.pace.touch_interval
        return (session for session in self._cache if session.is_used_since and session.written <= latest)


def _batched(sessions: Sequence[Session]) -> Iterator[tuple[Session, ...]]:
    remaining = iter(sessions)
    while batch := tuple(islice(remaining, _BATCH)):
        yield batch
