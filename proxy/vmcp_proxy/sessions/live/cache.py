"""The sessions that this process has in memory, by id, by digest and by caller."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from vmcp_api.spec.sessions import SessionManagement
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.sessions.live.outcomes import RefusalReason
from vmcp_proxy.sessions.live.session import EndReason, Session


class SessionCache:
    """Live sessions under the id that the client sends, so that the hot path is one look-up.

    `epoch` counts the times at which ends on other pods may have been missed: a session whose `checked`
    differs must be confirmed by the store before its next use.
    """

    __slots__ = ("_by_id", "_callers", "_ids", "_reserved", "epoch", "settings")

    def __init__(self, settings: SessionManagement) -> None:
        self.settings = settings
        self._by_id: Final[dict[str, Session]] = {}
        self._ids: Final[dict[str, str]] = {}
        self._callers: Final[Counter[Identity]] = Counter()
        self._reserved = 0
        self.epoch = 0

    def get(self, session_id: str) -> Session | None:
        """The session with this id."""
        return self._by_id.get(session_id)

    def by_digest(self, digest: str) -> Session | None:
        """The session with this digest."""
        session_id = self._ids.get(digest)
        return self._by_id[session_id] if session_id is not None else None

    def add(self, session_id: str, session: Session) -> None:
        """Hold a session under its id."""
        self._by_id[session_id] = session
        self._ids[session.digest.hex] = session_id
        self._callers[session.owner] += 1

    def remove(self, session: Session, reason: EndReason) -> bool:
        """Let go of a session and close it; `False` when it is not held."""
        if self.by_digest(session.digest.hex) is not session:
            return False
        del self._by_id[self._ids.pop(session.digest.hex)]
        self._release(session.owner)
        session.close(reason)
        return True

    @contextmanager
    def reserve(self, identity: Identity) -> Iterator[None]:
        """Count a session that is being opened toward the caps."""
        owner = Identity(identity.issuer, identity.subject, identity.has_authorization)
        self._reserved += 1
        self._callers[owner] += 1
        try:
            yield
        finally:
            self._reserved -= 1
            self._release(owner)

    def refusal(self, identity: Identity) -> RefusalReason | None:
        """Which cap keeps this caller from opening a session, if one does."""
        if self._is_full():
            return RefusalReason.CAPPED
        most = self.settings.max_sessions_per_identity
        # An absent key of a Counter is not added by looking it up.
        if most is not None and self._callers[identity] >= most:
            return RefusalReason.IDENTITY_CAPPED
        return None

    def has_room(self) -> bool:
        """Whether another pod's session may come here, if need be in the place of an idle one."""
        return not self._is_full() or any(not session.in_use for session in self._by_id.values())

    def surplus(self) -> Session | None:
        """The session to evict before another pod's may come here: the idle one whose last use is the oldest."""
        if not self._is_full():
            return None
        idle = (session for session in self._by_id.values() if not session.in_use)
        return min(idle, key=lambda session: session.last_seen, default=None)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def __repr__(self) -> str:
        return f"SessionCache({len(self)} sessions)"

    def _is_full(self) -> bool:
        return len(self._by_id) + self._reserved >= self.settings.max_sessions_per_pod

    def _release(self, owner: Identity) -> None:
        self._callers[owner] -= 1
        if self._callers[owner] <= 0:
            del self._callers[owner]
