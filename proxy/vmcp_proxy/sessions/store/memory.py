"""The store of one replica: a dictionary in its process."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vmcp_proxy.sessions.store.protocol import (
    Absent,
    End,
    Found,
    IdleEnd,
    Presence,
    StoreState,
    Times,
    Touch,
)
from vmcp_proxy.sessions.store.record import SessionRecord


@dataclass(slots=True)
class _Entry:
    record: SessionRecord
    created: float
    seen: float
    deadline: float


class MemoryStore:
    """Sessions that live and die with the process; an ended one leaves no tombstone, for nobody else asks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock: Final = clock
        self._entries: Final[dict[str, _Entry]] = {}

    @property
    def is_shared(self) -> bool:
        return False

    @property
    def state(self) -> StoreState:
        return StoreState(available=True)

    async def create(self, digest: str, record: SessionRecord, times: Times, ttl: float) -> Presence:  # noqa: ARG002 - expiry is the manager's sweep here
        now = self._clock()
        self._entries.setdefault(digest, _Entry(record, now - times.age, now - times.idle, now + times.left))
        return Presence.LIVE

    async def load(self, digest: str) -> Found | Absent:
        entry = self._entries.get(digest)
        if entry is None:
            return Absent()
        now = self._clock()
        return Found(entry.record, Times(now - entry.created, now - entry.seen, entry.deadline - now))

    async def touch(self, touches: Sequence[Touch], ttl: float) -> tuple[Presence, ...]:  # noqa: ARG002 - as in create
        return tuple(self._touch(touch) for touch in touches)

    async def end(self, ends: Sequence[End]) -> None:
        for end in ends:
            self._entries.pop(end.digest, None)

    async def end_idle(self, ends: Sequence[IdleEnd]) -> tuple[Presence, ...]:
        return tuple(self._end_idle(end) for end in ends)

    async def put_backend(self, digest: str, backend: str, sealed: bytes) -> None:
        entry = self._entries.get(digest)
        if entry is None:
            return
        backends = dict(entry.record.backends) | {backend: sealed}
        entry.record = replace(entry.record, backends=tuple(sorted(backends.items())))

    async def put_level(self, digest: str, level: str) -> None:
        if (entry := self._entries.get(digest)) is not None:
            entry.record = replace(entry.record, log_level=level)

    async def take_stream(self, digest: str, pod: str) -> str | None:
        entry = self._entries.get(digest)
        if entry is None:
            return None
        former, entry.record = entry.record.stream, replace(entry.record, stream=pod)
        return former

    async def claim_stream(self, digest: str, pod: str) -> bool:
        entry = self._entries.get(digest)
        if entry is None or entry.record.stream is None:
            await self.take_stream(digest, pod)
            return True
        return entry.record.stream == pod

    async def clear_stream(self, digest: str, pod: str) -> None:
        entry = self._entries.get(digest)
        if entry is not None and entry.record.stream == pod:
            entry.record = replace(entry.record, stream=None)

    async def stream_of(self, digest: str) -> str | None:
        entry = self._entries.get(digest)
        return entry.record.stream if entry is not None else None

    async def publish(self, name: str, sealed: bytes) -> bool:  # noqa: ARG002 - there is no other pod
        return False

    async def listen(self, names: Sequence[str], on_message: Callable[[str, bytes], None]) -> None:
        """Nothing to hear: there is no other pod."""

    async def watch(
        self,
        on_ended: Callable[[str], None],
        on_subscribed: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        """Nothing to watch: no other process ends sessions."""

    async def aclose(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"MemoryStore({len(self)} sessions)"

    def _touch(self, touch: Touch) -> Presence:
        entry = self._entries.get(touch.digest)
        if entry is None:
            return Presence.MISSING
        entry.seen = max(entry.seen, self._clock() - touch.idle)
        return Presence.LIVE

    def _end_idle(self, end: IdleEnd) -> Presence:
        entry = self._entries.get(end.digest)
        if entry is None:
            return Presence.MISSING
        if self._clock() - entry.seen <= end.max_idle:
            return Presence.LIVE
        del self._entries[end.digest]
        return Presence.ENDED
