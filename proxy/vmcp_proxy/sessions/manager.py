"""The sessions of one pod: opened, found, restored from the store, ended."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from itertools import chain
from typing import Final

from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.sessions.keyed.binding import bind, is_bound
from vmcp_proxy.sessions.keyed.fingerprint import fingerprint
from vmcp_proxy.sessions.keyed.ids import SessionDigest, SessionIds
from vmcp_proxy.sessions.live.cache import SessionCache
from vmcp_proxy.sessions.live.outcomes import Created, Missing, MissingReason, RefusalReason, Refused
from vmcp_proxy.sessions.live.record_codec import record_of
from vmcp_proxy.sessions.live.session import EndReason, Session
from vmcp_proxy.sessions.live.shared_state import SharedState
from vmcp_proxy.sessions.live.single_flight import Flights
from vmcp_proxy.sessions.lookup import Finder
from vmcp_proxy.sessions.store.protocol import End, Ended, Found, SessionStore, StoreUnavailable, Times
from vmcp_proxy.sessions.upkeep.end_hooks import OnEnd, Retirements
from vmcp_proxy.sessions.upkeep.housekeeping import Upkeep
from vmcp_proxy.sessions.upkeep.pending_ends import PendingEnds
from vmcp_proxy.sessions.upkeep.timing import Pace

_HOOK_WAIT_SECONDS: Final = 2.0
_WRITE_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 3.0
"""What the end of the process may take here: its pod has ten seconds for everything after the drain."""


class SessionManager:
    """Everything that may be done with a session.

    `on_end` is called once for every session that leaves this pod, with the `Session` object it had here; a
    session that was dropped as moved or evicted may be restored later as another object. `shared` is what other
    pods know of a session besides its times. `run` must be
    running for expiry, for ends on other pods and for `on_end`. The store is not closed here.
    """

    def __init__(
        self,
        *,
        store: SessionStore,
        ids: SessionIds,
        settings: SessionManagement,
        on_end: OnEnd,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store: Final = store
        self._ids: Final = ids
        self._clock: Final = clock
        self._cache: Final = SessionCache(settings)
        self._flights: Final = Flights()
        self._pending: Final = PendingEnds()
        self._retirements: Final = Retirements(on_end)
        self.shared: Final = SharedState(store, ids)
        self._upkeep: Final = Upkeep(
            store=store,
            ids=ids,
            cache=self._cache,
            pending=self._pending,
            retirements=self._retirements,
            shared=self.shared,
            pace=Pace.of(settings),
            clock=clock,
        )
        self._finder: Final = Finder(
            store=store,
            ids=ids,
            cache=self._cache,
            flights=self._flights,
            pending=self._pending,
            upkeep=self._upkeep,
            clock=clock,
        )
        self._is_closed = False

    @property
    def live(self) -> int:
        """How many sessions this pod has in memory, ready for use."""
        return len(self._cache)

    @property
    def snapshots(self) -> int:
        """How many header snapshots are in memory, counted one by one.

        As many as live sessions and, for the moment in which their backend sessions are deleted with these
        very headers, those that have just ended.
        """
        held = chain(self._cache, self._pending, self._retirements)
        return sum(session.holds_snapshot for session in held)

    async def create(
        self,
        identity: Identity,
        *,
        protocol_version: str,
        client_capabilities: bytes,
        client_info: bytes,
        snapshot: HeaderSnapshot,
    ) -> Created | Refused:
        """Open a session: in the store first, then here; whatever fails leaves it in neither.

        `client_capabilities` and `client_info` are the raw JSON of `initialize`.
        """
        if (refusal := self._refusal(identity)) is not None:
            return Refused(refusal)
        session_id = self._ids.mint()
        session = self._new(session_id, identity, snapshot, protocol_version, client_capabilities, client_info)
        times = Times(0.0, 0.0, self._upkeep.pace.max_lifetime)
        record = record_of(session, self._ids.keyring)
        try:
            with self._cache.reserve(identity):
                started = self._clock()
                await self._store.create(session.digest.hex, record, times, self._upkeep.pace.ttl)
        except StoreUnavailable:
            self._abandon(session)
            return Refused(RefusalReason.UNAVAILABLE)
        except BaseException:
            self._abandon(session)
            raise
        if self._is_closed or self._ids.digest_of(session_id) != session.digest:
            # Shut down, or the key that signed the id was taken away meanwhile.
            self._abandon(session)
            return Refused(RefusalReason.CLOSED if self._is_closed else RefusalReason.UNAVAILABLE)
        session.note_written(sent=started, started=started, now=self._clock())
        self._cache.add(session_id, session)
        return Created(session_id, session)

    def peek(self, session_id: str, identity: Identity) -> Session | None:
        """The session if it is at hand and beyond doubt, noting the use: the hot path, without I/O or HMAC.

        `None` says nothing about the session: ask `resolve`.
        """
        session = self._cache.get(session_id)
        if session is None or session.checked != self._cache.epoch:
            return None
        if session.owner is not identity and session.owner != identity:
            return None
        now = self._clock()
        if now >= session.deadline or now - session.last_seen >= self._upkeep.pace.ttl:
            return None
        session.last_seen = now
        return session

    async def resolve(
        self, session_id: str, identity: Identity, captured: Callable[[], HeaderSnapshot]
    ) -> Session | Missing:
        """The session with this id if it belongs to this caller, restored from the store if need be.

        `captured` yields this request's own allow-listed headers; it is asked only to restore a session, and
        they must be those of `initialize`. A foreign caller changes nothing.
        """
        if (session := self.peek(session_id, identity)) is not None:
            return session
        if self._is_closed:
            return Missing(MissingReason.CLOSED)
        return await self._finder.find(session_id, identity, captured)

    def is_ours(self, session_id: str) -> bool:
        """Whether an id was made with these keys; it may have ended since."""
        return self._ids.digest_of(session_id) is not None

    def ref_of(self, session_id: str) -> str:
        """The first 8 hex digits of a session's digest, for logs; empty for an id that was not minted here."""
        digest = self._ids.digest_of(session_id)
        return "" if digest is None else digest.ref

    async def end(self, session_id: str, identity: Identity) -> Missing | None:
        """End a session on every pod; `Missing` when this caller has no such session, which changes nothing.

        Needs no headers, so that any pod can do it; the pods that hold copies delete the backend sessions.
        Returns when they are deleted here, or after 2 s.

        Raises:
            StoreUnavailable: the session is unknown here and the store cannot be asked.
        """
        digest = self._ids.digest_of(session_id)
        if digest is None:
            return Missing(MissingReason.FORGED)
        async with self._flights.enter(digest.hex):
            session = self._cache.get(session_id)
            deadline = await self._end_of(digest, session, identity)
            if isinstance(deadline, MissingReason):
                return Missing(deadline)
            if session is not None:
                self._upkeep.drop(session, EndReason.DELETED)
            await self._bury(digest, deadline)
        if session is not None:
            await self._retirements.wait(session, _HOOK_WAIT_SECONDS)
        return None

    async def run(self) -> None:
        """Keep house until cancelled; a crash in any part ends it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store.watch(self._on_ended, self._upkeep.doubt_all, self._upkeep.note_loss))
            group.create_task(self._upkeep.run())
            group.create_task(self._retirements.run())

    async def aclose(self) -> None:
        """Let go of every session and snapshot, after `run` was cancelled.

        In a shared store the sessions live on for the other pods; those of a memory store end.
        """
        self._is_closed = True
        # Without the store the other pods see a last use up to one touch interval too old; nothing else is lost.
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_WRITE_SECONDS):
                await self._upkeep.write_all()
        reason = EndReason.MOVED if self._store.is_shared else EndReason.SHUTDOWN
        for session in self._cache:
            self._upkeep.drop(session, reason)
        for session in self._pending.take_idle():
            self._retirements.add(session, reason)
        await self._retirements.drain(_DRAIN_SECONDS)

    def configure(self, settings: SessionManagement) -> None:
        """Take new lifetimes and caps; they hold for the sessions that exist as well."""
        self._cache.settings = settings
        self._upkeep.pace = Pace.of(settings)
        for session in self._cache:
            session.deadline = min(session.deadline, session.created + settings.max_lifetime)
        self._upkeep.wake()

    def drop_all(self) -> None:
        """End every session that is here: what they were opened under no longer holds."""
        for session in self._cache:
            self._upkeep.drop(session, EndReason.EXPIRED)

    def rotate(self, keyring: Keyring) -> None:
        """Take new keys; sessions whose key is gone or has changed end here."""
        former = self._ids.keyring
        self._ids.keyring = keyring
        for session in self._cache:
            if not keyring.has_same_key(session.digest.kid, former):
                self._upkeep.drop(session, EndReason.EXPIRED)

    def _new(
        self,
        session_id: str,
        identity: Identity,
        snapshot: HeaderSnapshot,
        protocol_version: str,
        client_capabilities: bytes,
        client_info: bytes,
    ) -> Session:
        digest, keyring, now = self._ids.digest_of(session_id), self._ids.keyring, self._clock()
        if digest is None:
            raise AssertionError("a minted id was not recognised")
        session = Session(
            digest=digest,
            identity=identity,
            binding=bind(keyring, digest.kid, identity),
            fingerprint=fingerprint(keyring, digest.kid, session_id, snapshot),
            snapshot=snapshot,
            protocol_version=protocol_version,
            client_capabilities=client_capabilities,
            client_info=client_info,
            created=now,
            deadline=now + self._upkeep.pace.max_lifetime,
            last_seen=now,
        )
        session.checked = self._cache.epoch
        return session

    def _refusal(self, identity: Identity) -> RefusalReason | None:
        return RefusalReason.CLOSED if self._is_closed else self._cache.refusal(identity)

    def _abandon(self, session: Session) -> None:
        session.drop_snapshot()
        self._pending.discard(session.digest.hex)

    async def _end_of(
        self, digest: SessionDigest, session: Session | None, identity: Identity
    ) -> float | MissingReason:
        """The deadline of a session that this caller may end, as monotonic time."""
        now, keyring = self._clock(), self._ids.keyring
        if session is not None:
            if not is_bound(session.binding, keyring, digest.kid, identity):
                return MissingReason.FOREIGN
            if now < session.deadline and now - session.last_seen < self._upkeep.pace.ttl:
                return session.deadline
        if self._pending.is_buried(digest.hex):
            return MissingReason.ENDED
        loaded = await self._store.load(digest.hex)
        if not isinstance(loaded, Found):
            return MissingReason.ENDED if isinstance(loaded, Ended) else MissingReason.UNKNOWN
        if not is_bound(loaded.record.binding, keyring, digest.kid, identity):
            return MissingReason.FOREIGN
        times = loaded.times
        is_live = times.idle < self._upkeep.pace.ttl and times.left > 0
        return now + times.left if is_live else MissingReason.EXPIRED

    async def _bury(self, digest: SessionDigest, deadline: float) -> None:
        try:
            await self._store.end([End(digest.hex, deadline - self._clock())])
        except StoreUnavailable:
            self._pending.bury(digest.hex, deadline)
        except BaseException:
            # Cancelled half-way: the session has ended here already, the others must hear of it too.
            self._pending.bury(digest.hex, deadline)
            raise

    def _on_ended(self, digest: str) -> None:
        self._flights.mark_ended(digest)
        if (session := self._cache.by_digest(digest)) is not None:
            self._upkeep.drop(session, EndReason.ENDED_ELSEWHERE)
