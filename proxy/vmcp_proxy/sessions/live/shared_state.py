"""What other pods must know of a session besides its times: backend tokens, log level, where the GET stream is."""

import asyncio
from contextlib import suppress
from typing import Final

from vmcp_proxy.sessions.keyed.ids import SessionIds
from vmcp_proxy.sessions.keyed.sealing import seal, unseal
from vmcp_proxy.sessions.live.session import NOTHING_UNSAVED, Session
from vmcp_proxy.sessions.live.single_flight import Flights
from vmcp_proxy.sessions.store.protocol import Found, SessionStore, StoreUnavailable

_SAVE_SECONDS: Final = 0.5
"""How long a call may wait until the store has what another pod will need; a store that hangs costs no more."""


class SharedState:
    """Keeps the store's part of a session level with the session's own.

    A change is marked on the session first and written then, so that one that could not be written, for the
    store was away, is written later. One write at a time per session: two connections may carry two writes in
    either order.
    """

    def __init__(self, store: SessionStore, ids: SessionIds) -> None:
        self._store: Final = store
        self._ids: Final = ids
        self._writes: Final = Flights()

    async def save(self, session: Session) -> None:
        """Write what the store lacks; the stream also for a session that has left this pod, not the others.

        Raises:
            StoreUnavailable: what was not written stays marked.
        """
        async with self._writes.enter(session.digest.hex):
            await self._save_streams(session)
            if session.level_unsaved and session.ended is None:
                await self._save_level(session)
            for name in sorted(session.unsaved):
                if session.ended is None:
                    await self._save_backend(session, name)

    async def remember_backend(self, session: Session, backend: str, token: bytes) -> None:
        """Keep what reopens a backend's session, sealed in the store for other pods."""
        session.backend_tokens[backend] = token
        if session.ended is None:
            session.unsaved |= {backend}
            await self._try_to_save(session)

    async def remember_level(self, session: Session, level: str) -> None:
        """Keep the log level that the client set, here and for other pods."""
        session.log_level = level
        if session.ended is None:
            session.level_unsaved = True
            await self._try_to_save(session)

    async def take_stream(self, session: Session, pod: str) -> str | None:
        """Note that the client holds its GET stream with this pod; the pod that did before, as far as is known."""
        former, session.stream = session.stream, pod
        session.streams_unsaved |= {pod}
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_SAVE_SECONDS), self._writes.enter(session.digest.hex):
                former = await self._store.take_stream(session.digest.hex, pod)
                if session.stream == pod:
                    session.streams_unsaved = _without(session.streams_unsaved, pod)
        return former

    async def claim_stream(self, session: Session, pod: str) -> bool:
        """Note that messages for the stream wait at this pod, unless another one is named by now; whether none is."""
        is_ours = True
        session.streams_unsaved |= {pod}
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_SAVE_SECONDS), self._writes.enter(session.digest.hex):
                is_ours = await self._store.claim_stream(session.digest.hex, pod)
                session.streams_unsaved = _without(session.streams_unsaved, pod)
        session.stream = pod if is_ours else None
        return is_ours

    async def leave_stream(self, session: Session, pod: str) -> None:
        """Note that the stream is not with this pod any more; that is no news where another one is named.

        Of a session that has left this pod while the store was away the store keeps the name of a pod without a
        stream.
        """
        session.stream = None
        session.streams_unsaved |= {pod}
        await self._try_to_save(session)

    async def disown_stream(self, session: Session, pod: str) -> None:
        """Take out the name of a pod that does not answer; while the store is away nothing changes."""
        with suppress(StoreUnavailable):
            await self._store.clear_stream(session.digest.hex, pod)

    async def stream_pod(self, session: Session) -> str | None:
        """The pod that holds the client's GET stream, by one look into the store; `None` when none is known.

        The pod may have died. While the store is away the answer is what was last noted here.
        """
        try:
            return await self._store.stream_of(session.digest.hex)
        except StoreUnavailable:
            return session.stream

    async def refresh(self, session: Session) -> None:
        """Take over the backends' tokens and the log level that other pods have stored meanwhile.

        A token that is missing in the store stays; while the store is away nothing changes.
        """
        try:
            # Not beside a write: what is read then would be older than what was written.
            async with self._writes.enter(session.digest.hex):
                found = await self._store.load(session.digest.hex)
        except StoreUnavailable:
            return
        if not isinstance(found, Found):
            return
        keyring = self._ids.keyring
        for name, sealed in found.record.backends if session.digest.kid in keyring else ():
            token = unseal(keyring, session.digest, name, sealed)
            if token is not None and name not in session.unsaved:
                session.backend_tokens[name] = token
        if found.record.log_level is not None and not session.level_unsaved:
            session.log_level = found.record.log_level

    async def _try_to_save(self, session: Session) -> None:
        # What cannot be written stays marked; the next tick tries again.
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(_SAVE_SECONDS):
                await self.save(session)

    async def _save_streams(self, session: Session) -> None:
        for pod in sorted(session.streams_unsaved):
            holds = session.stream == pod
            if holds:
                await self._store.take_stream(session.digest.hex, pod)
            else:
                await self._store.clear_stream(session.digest.hex, pod)
            if (session.stream == pod) == holds:
                session.streams_unsaved = _without(session.streams_unsaved, pod)

    async def _save_level(self, session: Session) -> None:
        level = session.log_level
        if level is not None:
            await self._store.put_level(session.digest.hex, level)
        if session.log_level == level:
            session.level_unsaved = False

    async def _save_backend(self, session: Session, name: str) -> None:
        token = session.backend_tokens[name]
        await self._store.put_backend(session.digest.hex, name, seal(self._ids.keyring, session.digest, name, token))
        if session.backend_tokens[name] == token:
            session.unsaved = _without(session.unsaved, name)


def _without(names: frozenset[str], name: str) -> frozenset[str]:
    return (names - {name}) or NOTHING_UNSAVED
