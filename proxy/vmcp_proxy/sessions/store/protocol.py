"""What a store of session metadata must do, whatever it is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from vmcp_api.pod_status import STORE_OK, STORE_UNAVAILABLE, STORE_UNKNOWN
from vmcp_proxy.sessions.store.record import SessionRecord


class StoreUnavailable(Exception):  # noqa: N818 - names the state that callers answer with 503
    """The store cannot be asked now; the text names the cause without commands, keys or credentials."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """Whether the store answers, for the status report; `message` is empty when it does.

    `is_known` is false until it was asked for the first time.
    """

    available: bool
    message: str = ""
    is_known: bool = True

    def __str__(self) -> str:
        if not self.is_known:
            return STORE_UNKNOWN
        return STORE_OK if self.available else STORE_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Times:
    """Where a session stands in its life, in seconds and so free of any clock's epoch."""

    age: float
    idle: float
    left: float


@dataclass(frozen=True, slots=True)
class Found:
    """The session's record, live or idle past its TTL: `times` tells."""

    record: SessionRecord
    times: Times


@dataclass(frozen=True, slots=True)
class Absent:
    """The store has never heard of the session, or has forgotten it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The session was ended; a tombstone says so."""


@dataclass(frozen=True, slots=True)
class Touch:
    """A use of a session `idle` seconds ago."""

    digest: str
    idle: float


@dataclass(frozen=True, slots=True)
class End:
    """A session to end; its tombstone lasts for `left` seconds, none is left when that is not positive."""

    digest: str
    left: float


@dataclass(frozen=True, slots=True)
class IdleEnd:
    """A session to end only if the store has seen no use of it for `max_idle` seconds."""

    digest: str
    max_idle: float
    left: float


class Presence(Enum):
    """What the store holds of a session."""

    LIVE = "live"
    ENDED = "ended"
    MISSING = "missing"


class SessionStore(Protocol):
    """Session metadata by digest.

    Every method but `watch` and `listen` is bounded in time and raises `StoreUnavailable` when the store cannot answer.
    Batches answer in the order of their items.
    """

    @property
    def is_shared(self) -> bool:
        """Whether other pods see the same sessions."""

    @property
    def state(self) -> StoreState:
        """How the last contact went."""

    async def create(self, digest: str, record: SessionRecord, times: Times, ttl: float) -> Presence:
        """Set a record unless there is one: `LIVE`, or `ENDED` when a tombstone stands in the way."""

    async def load(self, digest: str) -> Found | Absent | Ended:
        """Read a session; this is no use of it."""

    async def touch(self, touches: Sequence[Touch], ttl: float) -> tuple[Presence, ...]:
        """Note uses: live sessions last for the TTL or the lifetime left, whichever is shorter."""

    async def end(self, ends: Sequence[End]) -> None:
        """End sessions and tell the other pods."""

    async def end_idle(self, ends: Sequence[IdleEnd]) -> tuple[Presence, ...]:
        """End idle sessions and tell the other pods; `LIVE` ones are in use elsewhere and stay."""

    async def put_backend(self, digest: str, backend: str, sealed: bytes) -> None:
        """Set one backend's sealed token in a live session."""

    async def put_level(self, digest: str, level: str) -> None:
        """Set the client's log level in a live session."""

    async def take_stream(self, digest: str, pod: str) -> str | None:
        """Note which pod holds the client's GET stream, in a live session; the one that was named before."""

    async def claim_stream(self, digest: str, pod: str) -> bool:
        """Note it unless another pod is named; whether none is."""

    async def clear_stream(self, digest: str, pod: str) -> None:
        """Note that this pod no longer holds the stream; nothing happens when it is another one by now."""

    async def stream_of(self, digest: str) -> str | None:
        """The pod that holds the client's GET stream, as far as the store knows."""

    async def publish(self, name: str, sealed: bytes) -> bool:
        """Pass a message on to whoever listens under a name; `False` when nobody does."""

    async def listen(self, names: Sequence[str], on_message: Callable[[str, bytes], None]) -> None:
        """Report the messages under some names, and the name, for as long as it runs.

        Those sent while the connection is lost are lost.
        """

    async def watch(
        self,
        on_ended: Callable[[str], None],
        on_subscribed: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        """Report digests that any pod ends, for as long as it runs.

        `on_subscribed` is called whenever reports start to arrive: those before it may have been lost. `on_lost`
        is called whenever they stop and at each failed attempt to have them again.
        """

    async def aclose(self) -> None:
        """Let go of connections and memory."""
