"""What the requests of one connection hold of the bytes that all connections may (ADR-0028)."""

from typing import Final

from vmcp_proxy.serve.http.bounds import UNCOUNTED_BYTES, Bounds, Held, Peer


class RequestHolds:
    """Two requests at most: the one that is read and the one that is answered, which may be one and the same."""

    __slots__ = ("_bounds", "_peer", "_read", "_served")

    def __init__(self, bounds: Bounds, peer: Peer) -> None:
        self._bounds: Final = bounds
        self._peer: Final = peer
        self._read: Held | None = None
        self._served: Held | None = None

    def begin(self) -> None:
        """A request begins to be read."""
        self._read = None

    def grow(self, size: int, *, is_served: bool) -> None:
        """The request that is read takes so many bytes; only long ones are worth the count."""
        if size <= UNCOUNTED_BYTES:
            return
        if self._read is None:
            self._read = Held(self._peer)
            if is_served:
                self._served = self._read
        self._bounds.hold(self._read, size)

    def serve(self) -> None:
        """The request that is, or was, read begins to be answered; no other is read before that."""
        self._served = self._read

    def is_read(self, held: Held) -> bool:
        """Whether this belongs to the request that was read last."""
        return held is self._read

    def release_waiting(self) -> None:
        """The request that is read, or waits behind the one that is answered, is dropped."""
        if self._read is not None and self._read is not self._served:
            self._bounds.release(self._read)

    def release_served(self) -> None:
        """The request that is answered keeps nothing."""
        if self._served is not None:
            self._bounds.release(self._served)
            self._served = None

    def release(self) -> None:
        """Both are gone."""
        self.release_waiting()
        self.release_served()
