"""One live MCP session as this process knows it."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.sessions.keyed.ids import SessionDigest


class EndReason(StrEnum):
    """Why a session left this process."""

    DELETED = "deleted"
    EXPIRED = "expired"
    ENDED_ELSEWHERE = "ended_elsewhere"
    MOVED = "moved"
    EVICTED = "evicted"
    SHUTDOWN = "shutdown"

    @property
    def deletes_backend_sessions(self) -> bool:
        """Whether the session is over for good; otherwise other pods go on using its backend sessions."""
        return self not in {EndReason.MOVED, EndReason.EVICTED}


class Use(Protocol):
    """A request or a stream of a client that is open here."""

    @property
    def has_gone(self) -> bool:
        """Whether the client is known to have closed its connection."""


NOTHING_UNSAVED: Final[frozenset[str]] = frozenset()
"""What the store lacks of nearly every session: one object, for an empty set of its own is 200 bytes."""


class Session:
    """The mutable state of one session; times are monotonic seconds of this process.

    `snapshot` never leaves the process and is dropped once the session is over; `fingerprint`, `binding` and
    `digest` are its keyed stand-ins. `client_info` is empty on a session that came from another pod.
    `checked` is the cache's epoch at which the store last confirmed the session, `unsaved` the backends whose
    token the store lacks. `backend_tokens` maps a backend's name to what reopens its session, `log_level` is the
    last that the client set, `stream` the pod that this process last named as the holder of the GET stream; change
    them through the manager only. `level_unsaved` and `streams_unsaved` say what of it the store lacks.
    `repr` shows the first digits of the digest and nothing else.
    """

    __slots__ = (
        "_callbacks",
        "_forget_callbacks",
        "_holds_snapshot",
        "backend_tokens",
        "binding",
        "checked",
        "client_capabilities",
        "client_info",
        "created",
        "deadline",
        "digest",
        "ended",
        "fingerprint",
        "last_seen",
        "level_unsaved",
        "log_level",
        "owner",
        "protocol_version",
        "snapshot",
        "stored",
        "stream",
        "streams_unsaved",
        "unsaved",
        "uses",
        "written",
    )

    def __init__(
        self,
        *,
        digest: SessionDigest,
        identity: Identity,
        binding: bytes,
        fingerprint: bytes,
        snapshot: HeaderSnapshot,
        protocol_version: str,
        client_capabilities: bytes,
        client_info: bytes,
        created: float,
        deadline: float,
        last_seen: float,
    ) -> None:
        self.digest: Final = digest
        # Without the claims: a session outlives the token that opened it.
        self.owner: Final = identity.caller
        self.binding: Final = binding
        self.fingerprint: Final = fingerprint
        self.snapshot = snapshot
        self.protocol_version: Final = protocol_version
        self.client_capabilities: Final = client_capabilities
        self.client_info: Final = client_info
        self.created: Final = created
        self.deadline = deadline
        self.last_seen = last_seen
        self.uses: Final[set[Use]] = set()
        """Requests and streams of the client that are open here."""
        self.written = last_seen
        self.stored = last_seen
        self.checked = 0
        self.ended: EndReason | None = None
        self.backend_tokens: Final[dict[str, bytes]] = {}
        self.unsaved = NOTHING_UNSAVED
        self.log_level: str | None = None
        self.level_unsaved = False
        self.stream: str | None = None
        self.streams_unsaved = NOTHING_UNSAVED
        self._callbacks: Final[list[Callable[[], None]]] = []
        self._forget_callbacks: Final[list[Callable[[], None]]] = []
        self._holds_snapshot = True

    @property
    def ref(self) -> str:
        """The first 8 hex digits of the digest, for logs."""
        return self.digest.ref

    @property
    def holds_snapshot(self) -> bool:
        """Whether the captured headers are still in memory."""
        return self._holds_snapshot

    @property
    def in_use(self) -> bool:
        """Whether a client waits at one of them: such a session is not idle, however long they take.

        One whose client has gone may go on, for the client may come back for its answer; but nobody asks for that
        answer until it does, and a backend may wait for one of the client's that nobody will give.
        """
        return any(not use.has_gone for use in self.uses)

    def touch(self, now: float) -> None:
        """Note a use at this monotonic time."""
        self.last_seen = now

    def note_written(self, *, sent: float, started: float, now: float) -> None:
        """Note that the store heard of the use at `sent`, in a write that lasted from `started` to `now`.

        The store counts from when it heard, so the use counts as that much later here too: this copy must not
        seem idle before the store's does, or nobody would end the session.
        """
        self.written = now
        self.stored = sent + (now - started)
        self.last_seen = max(self.last_seen, self.stored)

    @property
    def is_unsaved(self) -> bool:
        """Whether the store lacks something of what other pods must know."""
        return bool(self.unsaved or self.level_unsaved or self.streams_unsaved)

    @property
    def is_used_since(self) -> bool:
        """Whether there were uses that the store has not heard of."""
        return self.last_seen > self.stored

    def on_end(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` run once when the session leaves this process, at once if it has already.

        Returns a function that takes the callback back, for streams that close earlier.
        """
        if self.ended is not None:
            callback()
            return _nothing
        self._callbacks.append(callback)

        def forget() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return forget

    def close(self, reason: EndReason) -> None:
        """Mark the session as over here and run the callbacks; only the first call counts."""
        if self.ended is not None:
            return
        self.ended = reason
        callbacks = tuple(self._callbacks)
        self._callbacks.clear()
        for callback in callbacks:
            callback()

    def on_forget(self, callback: Callable[[], None]) -> None:
        """Have `callback` run once when the captured headers are dropped, at once if they have been already.

        Who holds copies of them, or what was made of them, must let go of those too.
        """
        if self._holds_snapshot:
            self._forget_callbacks.append(callback)
        else:
            callback()

    def drop_snapshot(self) -> None:
        """Forget the captured headers."""
        self.snapshot = EMPTY_SNAPSHOT
        self._holds_snapshot = False
        callbacks = tuple(self._forget_callbacks)
        self._forget_callbacks.clear()
        for callback in callbacks:
            callback()

    def __repr__(self) -> str:
        return f"Session({self.ref}{f', {self.ended}' if self.ended else ''})"


def _nothing() -> None:
    """There is no callback to take back."""
