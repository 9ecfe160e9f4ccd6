"""How many subscriptions there are to each resource in a session that clients share."""

from collections import Counter
from typing import Final

import msgspec

from vmcp_proxy.protocol.jsonrpc import Raw, Response
from vmcp_proxy.protocol.methods import SUBSCRIBE, UNSUBSCRIBE
from vmcp_proxy.protocol.params import InvalidParamsError, parse_members

_MOST: Final = 65_536
"""Resources that are counted; of those beyond it the first who unsubscribes ends it for all."""


class Subscribers:
    """Keeps one client from ending what another has subscribed to: only the last one is told to the server.

    A client that subscribes again, or leaves without a word, counts once more: then the server goes on to tell what
    nobody asked for, and nobody hears it.
    """

    def __init__(self) -> None:
        self._counts: Counter[bytes] = Counter()

    def spare(self, request_id: int, method: str, params: Raw | None) -> Response | None:
        """The answer to a request that the server must not hear; None for all others."""
        if method != UNSUBSCRIBE or self._counts[uri := _uri(params)] <= 1:
            return None
        self._counts[uri] -= 1
        return Response(b"%d" % request_id, msgspec.Raw(b"{}"), None)

    def note(self, method: str, params: Raw | None, answer: Response) -> None:
        """Counts a request that the server has answered."""
        if answer.result is None or method not in (SUBSCRIBE, UNSUBSCRIBE):
            return
        uri = _uri(params)
        if method == UNSUBSCRIBE:
            self._counts.pop(uri, None)
        elif uri in self._counts or len(self._counts) < _MOST:
            self._counts[uri] += 1


def _uri(params: Raw | None) -> bytes:
    try:
        return bytes(parse_members(params).get("uri", b""))
    except InvalidParamsError:
        return b""
