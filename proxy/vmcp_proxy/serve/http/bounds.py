"""What all connections of a listener together may hold (ADR-0028)."""

import resource
from typing import Final, Protocol

MOST_CONNECTIONS: Final = 16_384
"""Connections of one listener, where the process may have as many descriptors."""

SPARE_DESCRIPTORS: Final = 256
"""Descriptors that are left for backends, files and the admin port."""

MOST_BODY_BYTES: Final = 96 << 20
"""Bytes of heads and bodies that all connections hold until they are answered; up to `UNCOUNTED_BYTES` are free."""

UNCOUNTED_BYTES: Final = 8 << 10
"""Up to here the head, or the body, of a request is bounded by the number of connections alone."""


class Peer(Protocol):
    """One connection, as its listener's bounds know it."""

    @property
    def address(self) -> str:
        """The other end's address without a port."""

    @property
    def is_waiting(self) -> bool:
        """Whether no request of it is being answered."""

    def abort(self) -> None:
        """Closes it at once."""

    def give_up(self, held: "Held") -> bool:
        """Refuses the request that holds this with 503; False where it has come whole, or is refused already."""


class Held:
    """What one request of a peer takes of the bytes that all may hold."""

    __slots__ = ("peer", "size")

    def __init__(self, peer: Peer) -> None:
        self.peer: Final = peer
        self.size = 0


class Bounds:
    """The connections of one listener and what they hold.

    Where places or bytes run out, the one that has held them longest without a request gives way, so that a peer who
    only takes places cannot keep others out. One address may have three quarters of the places.
    """

    def __init__(self) -> None:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.most_connections: Final = max(min(MOST_CONNECTIONS, descriptors - SPARE_DESCRIPTORS), 1)
        self._by_address: Final[dict[str, int]] = {}
        self._peers: Final[dict[Peer, None]] = {}
        self._held: Final[dict[Held, None]] = {}
        self._held_bytes = 0

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def held_bytes(self) -> int:
        """The bytes of long heads and bodies that are held now."""
        return self._held_bytes

    def admit(self, peer: Peer) -> bool:
        """Takes a new connection in; where there is no place, one that waits gives way; False where none does."""
        held = self._by_address.get(peer.address, 0)
        if held >= self.most_connections * 3 // 4 and not self._make_room(peer.address):
            return False
        if len(self._peers) >= self.most_connections and not self._make_room(None):
            return False
        self._peers[peer] = None
        self._by_address[peer.address] = self._by_address.get(peer.address, 0) + 1
        return True

    def leave(self, peer: Peer) -> None:
        """Forgets a connection that is gone; nothing happens where it was not taken in."""
        if peer not in self._peers:
            return
        del self._peers[peer]
        left = self._by_address[peer.address] - 1
        if left:
            self._by_address[peer.address] = left
        else:
            del self._by_address[peer.address]

    def hold(self, held: Held, size: int) -> None:
        """Says how long a request is by now; the oldest unfinished ones give way."""
        self._held_bytes += size - held.size
        held.size = size
        self._held[held] = None
        while self._held_bytes > MOST_BODY_BYTES:
            if not any(each.peer.give_up(each) for each in tuple(self._held)):
                return
            # The one that gave up has released what it held.

    def release(self, held: Held) -> None:
        """The request is answered, refused or gone, or keeps nothing; a second time changes nothing."""
        self._held_bytes -= held.size
        held.size = 0
        self._held.pop(held, None)

    def _make_room(self, address: str | None) -> bool:
        for each in self._peers:
            if each.is_waiting and (address is None or each.address == address):
                self.leave(each)
                each.abort()
                return True
        return False
