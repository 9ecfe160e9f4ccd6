"""Finding a session that the hot path did not: doubted, idle, or known to other pods only."""

from collections.abc import Callable
from typing import Final

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.sessions.keyed.binding import is_bound
from vmcp_proxy.sessions.keyed.fingerprint import has_fingerprint
from vmcp_proxy.sessions.keyed.ids import SessionDigest, SessionIds
from vmcp_proxy.sessions.live.cache import SessionCache
from vmcp_proxy.sessions.live.outcomes import Missing, MissingReason
from vmcp_proxy.sessions.live.record_codec import session_of
from vmcp_proxy.sessions.live.session import EndReason, Session
from vmcp_proxy.sessions.live.single_flight import Flight, Flights
from vmcp_proxy.sessions.store.protocol import Absent, Ended, Found, SessionStore, StoreUnavailable
from vmcp_proxy.sessions.upkeep.housekeeping import Upkeep
from vmcp_proxy.sessions.upkeep.pending_ends import PendingEnds

Captured = Callable[[], HeaderSnapshot]
"""Yields the allow-listed headers of the request at hand."""


class Finder:
    """Looks for a session in this order: signature, memory, queued ends, store.

    The caller's binding is checked before anything is changed or told.
    """

    def __init__(
        self,
        *,
        store: SessionStore,
        ids: SessionIds,
        cache: SessionCache,
        flights: Flights,
        pending: PendingEnds,
        upkeep: Upkeep,
        clock: Callable[[], float],
    ) -> None:
        self._store: Final = store
        self._ids: Final = ids
        self._cache: Final = cache
        self._flights: Final = flights
        self._pending: Final = pending
        self._upkeep: Final = upkeep
        self._clock: Final = clock

    async def find(self, session_id: str, identity: Identity, captured: Captured) -> Session | Missing:
        """The session, noting the use, or why there is none."""
        digest = self._ids.digest_of(session_id)
        if digest is None:
            return Missing(MissingReason.FORGED)
        async with self._flights.enter(digest.hex) as flight:
            session = self._cache.get(session_id)
            if session is not None:
                found = await self._confirm(session, identity)
                if found is not None:
                    return found
            if self._pending.is_buried(digest.hex):
                return Missing(MissingReason.ENDED)
            return await self._restore(session_id, digest, identity, captured, flight)

    async def _confirm(self, session: Session, identity: Identity) -> Session | Missing | None:
        """The session in memory; `None` when it was swept while other pods were asked."""
        if not is_bound(session.binding, self._ids.keyring, session.digest.kid, identity):
            return Missing(MissingReason.FOREIGN)
        now = self._clock()
        if now >= session.deadline:
            return Missing(MissingReason.EXPIRED)
        if now - session.last_seen >= self._upkeep.pace.ttl:
            if (problem := await self._look_elsewhere(session)) is not None:
                return Missing(problem)
        elif session.checked != self._cache.epoch:
            await self._recheck(session)
        if session.ended is not None:
            return None if session.ended is EndReason.EXPIRED else Missing(MissingReason.ENDED)
        session.last_seen = now
        return session

    async def _look_elsewhere(self, session: Session) -> MissingReason | None:
        # Idle here for the whole TTL: only the store knows of uses on other pods.
        try:
            loaded = await self._store.load(session.digest.hex)
        except StoreUnavailable:
            return MissingReason.UNAVAILABLE
        if isinstance(loaded, Found) and loaded.times.idle < self._upkeep.pace.ttl:
            return None
        if isinstance(loaded, Ended):
            self._upkeep.drop(session, EndReason.ENDED_ELSEWHERE)
            return MissingReason.ENDED
        return MissingReason.EXPIRED

    async def _recheck(self, session: Session) -> None:
        try:
            await self._upkeep.touch((session,))
        except StoreUnavailable:
            # An outage must not take away a session that is at hand; the doubt stays.
            return

    async def _restore(
        self,
        session_id: str,
        digest: SessionDigest,
        identity: Identity,
        captured: Captured,
        flight: Flight,
    ) -> Session | Missing:
        keyring, epoch = self._ids.keyring, self._cache.epoch
        try:
            loaded = await self._store.load(digest.hex)
            problem = self._problem(loaded, digest, identity, keyring)
            if problem is not None or not isinstance(loaded, Found):
                return Missing(problem or MissingReason.UNKNOWN)
            snapshot = captured()
            if not has_fingerprint(loaded.record.fingerprint, keyring, digest.kid, session_id, snapshot):
                return Missing(MissingReason.HEADERS)
            session = session_of(
                loaded,
                digest=digest,
                identity=identity,
                snapshot=snapshot,
                keyring=keyring,
                now=self._clock(),
                max_lifetime=self._upkeep.pace.max_lifetime,
            )
            await self._upkeep.touch((session,))
        except StoreUnavailable:
            return Missing(MissingReason.UNAVAILABLE)
        if flight.ended or session.ended is not None:
            return Missing(MissingReason.ENDED)
        if self._ids.keyring is not keyring and self._ids.digest_of(session_id) != digest:
            # Its key was taken away meanwhile.
            return Missing(MissingReason.FORGED)
        session.checked = epoch
        self._hold(session_id, session)
        return session

    def _problem(
        self, loaded: Found | Absent | Ended, digest: SessionDigest, identity: Identity, keyring: Keyring
    ) -> MissingReason | None:
        match loaded:
            case Absent():
                return MissingReason.UNKNOWN
            case Ended():
                return MissingReason.ENDED
            case Found(record, times):
                pace = self._upkeep.pace
                if not is_bound(record.binding, keyring, digest.kid, identity):
                    return MissingReason.FOREIGN
                if times.idle >= pace.ttl or times.age >= pace.max_lifetime or times.left <= 0:
                    return MissingReason.EXPIRED
                return None if self._cache.has_room() else MissingReason.CAPPED

    def _hold(self, session_id: str, session: Session) -> None:
        while (surplus := self._cache.surplus()) is not None:
            self._upkeep.drop(surplus, EndReason.EVICTED)
        self._cache.add(session_id, session)
