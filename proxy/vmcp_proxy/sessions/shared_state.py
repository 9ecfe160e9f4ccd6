"""What other pods must know of a session besides its times: backend tokens, log level, where the GET stream is."""

from typing import Final

from vmcp_proxy.sessions.flights import Flights
from vmcp_proxy.sessions.ids import SessionIds
from vmcp_proxy.sessions.sealing import seal, unseal
from vmcp_proxy.sessions.session import Session
from vmcp_proxy.sessions.store import Found, SessionStore


class SharedState:
    """Keeps the store's part of a session level with the session's own.

    A change is marked on the session first and written then, so that one that could not be written is written
    later. One write at a time per session: two connections may carry two writes in either order.
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

    async def stream_of(self, session: Session) -> str | None:
        """The pod with the session's GET stream.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        return await self._store.stream_of(session.digest.hex)

    async def refresh(self, session: Session) -> None:
        """Take over what other pods have written; a token that is missing in the store stays.

        Raises:
            StoreUnavailable: nothing has changed.
        """
        # Not beside a write: what is read then would be older than what was written.
        async with self._writes.enter(session.digest.hex):
            found = await self._store.load(session.digest.hex)
        if not isinstance(found, Found):
            return
        keyring = self._ids.keyring
        for name, sealed in found.record.backends if session.digest.kid in keyring else ():
            token = unseal(keyring, session.digest, name, sealed)
            if token is not None and name not in session.unsaved:
                session.backend_tokens[name] = token
        if found.record.log_level is not None and not session.level_unsaved:
            session.log_level = found.record.log_level

    async def _save_streams(self, session: Session) -> None:
        for pod in sorted(session.streams_unsaved):
            holds = session.stream == pod
            if holds:
                await self._store.put_stream(session.digest.hex, pod)
            else:
                await self._store.clear_stream(session.digest.hex, pod)
            if (session.stream == pod) == holds:
                session.streams_unsaved.discard(pod)

    async def _save_level(self, session: Session) -> None:
        level = session.log_level
        if level is not None:
            await self._store.put_level(session.digest.hex, level)
        if session.log_level == level:
            session.level_unsaved = False

    async def _save_backend(self, session: Session, name: str) -> None:
        token = session.backend_tokens.get(name)
        sealed = None if token is None else seal(self._ids.keyring, session.digest, name, token)
        await self._store.put_backend(session.digest.hex, name, sealed)
        if session.backend_tokens.get(name) == token:
            session.unsaved.discard(name)
