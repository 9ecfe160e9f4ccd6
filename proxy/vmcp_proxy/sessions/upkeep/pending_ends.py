"""Ends that the store has yet to hear of."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from vmcp_proxy.sessions.live.session import EndReason, Session
from vmcp_proxy.sessions.store.protocol import End, IdleEnd, Presence, SessionStore

_BATCH: Final = 256
_MOST: Final = 20_000


@dataclass(slots=True)
class PendingEnds:
    """A queue by digest that outlasts outages of the store.

    Tombstones stand for sessions that their owners ended, and go first. Discards stand for records that may
    have been written for a session that was never handed out; when memory is short they are left to their
    TTL. Idle sessions have left the cache and wait for the verdict whether another pod uses them.
    """

    _tombstones: dict[str, float] = field(default_factory=dict)
    _discards: dict[str, None] = field(default_factory=dict)
    _idle: dict[Session, float] = field(default_factory=dict)

    def bury(self, digest: str, deadline: float) -> None:
        """Remember to end a session; its tombstone lasts until the deadline."""
        self._tombstones[digest] = deadline

    def discard(self, digest: str) -> None:
        """Remember to remove a record that nobody has the id of."""
        if len(self._discards) < _MOST:
            self._discards[digest] = None

    def bury_idle(self, session: Session, max_idle: float) -> None:
        """Remember to end a session that has seen no use here, if no other pod has for `max_idle` seconds."""
        self._idle[session] = max_idle

    def is_buried(self, digest: str) -> bool:
        """Whether a session is over although the store may not know."""
        return digest in self._tombstones

    def take_idle(self) -> tuple[Session, ...]:
        """Give up waiting for verdicts; the sessions that did."""
        sessions = tuple(self._idle)
        self._idle.clear()
        return sessions

    def drop_snapshots(self) -> None:
        """Forget the headers of the sessions that wait for a verdict: it may take as long as an outage."""
        for session in self._idle:
            session.drop_snapshot()

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._idle))

    def __len__(self) -> int:
        return len(self._tombstones) + len(self._discards) + len(self._idle)

    async def flush_ends(self, store: SessionStore, now: float) -> None:
        """Tell the store of tombstones and discards.

        Raises:
            StoreUnavailable: what was not told stays queued.
        """
        while batch := dict(islice(self._tombstones.items(), _BATCH)):
            await store.end([End(digest, deadline - now) for digest, deadline in batch.items()])
            _remove(self._tombstones, batch)
        while gone := dict.fromkeys(islice(self._discards, _BATCH)):
            await store.end([End(digest, 0.0) for digest in gone])
            _remove(self._discards, gone)

    async def flush_idle(self, store: SessionStore, now: float) -> list[tuple[Session, EndReason]]:
        """Ask the store for verdicts on idle sessions; those that other pods use have only moved.

        Raises:
            StoreUnavailable: those without a verdict stay queued.
        """
        verdicts: list[tuple[Session, EndReason]] = []
        batch = dict(islice(self._idle.items(), _BATCH))
        ends = [IdleEnd(session.digest.hex, max_idle, session.deadline - now) for session, max_idle in batch.items()]
        for session, presence in zip(batch, await store.end_idle(ends), strict=True):
            del self._idle[session]
            verdicts.append((session, EndReason.MOVED if presence is Presence.LIVE else EndReason.EXPIRED))
        return verdicts


def _remove(queue: dict[str, float] | dict[str, None], told: dict[str, float] | dict[str, None]) -> None:
    for digest in told:
        queue.pop(digest, None)
