"""Who has subscribed to each resource in a session that clients share."""

from collections.abc import Iterable
from typing import Final

from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.params import InvalidParamsError, parse_members

_MOST: Final = 65_536
"""Subscriptions that are held; those beyond it end for all where the first one ends its own."""


class Subscribers:
    """Knows which clients hold a subscription, so that none ends what another has.

    Clients are told apart by identity.
    """

    def __init__(self) -> None:
        self._holders: dict[bytes, set[object]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many subscriptions are held, those of each client counted."""
        return self._count

    def hold(self, uri: bytes, client: object) -> bool:
        """Notes that a client subscribes; False where it holds that already, or there is no room to note it."""
        holders = self._holders.get(uri, set())
        if client in holders or self._count >= _MOST:
            return False
        self._holders.setdefault(uri, holders).add(client)
        self._count += 1
        return True

    def release(self, uri: bytes, client: object) -> None:
        """Forgets a client's subscription, where it holds one."""
        holders = self._holders.get(uri)
        if holders is None or client not in holders:
            return
        holders.discard(client)
        self._count -= 1
        if not holders:
            del self._holders[uri]

    def release_all(self, client: object) -> Iterable[bytes]:
        """Forgets all of a client's; the resources that nobody holds any more."""
        held = [uri for uri, holders in self._holders.items() if client in holders]
        for uri in held:
            self.release(uri, client)
        return tuple(uri for uri in held if uri not in self._holders)

    def is_held(self, uri: bytes) -> bool:
        """Whether any client has subscribed."""
        return uri in self._holders

    def is_held_by_others(self, uri: bytes, client: object) -> bool:
        """Whether a client other than this one has subscribed."""
        return any(each is not client for each in self._holders.get(uri, ()))


def uri_of(params: Raw | None) -> bytes:
    """The resource that a request is about, as it is written; empty where it names none."""
    try:
        return bytes(parse_members(params).get("uri", b""))
    except InvalidParamsError:
        return b""
