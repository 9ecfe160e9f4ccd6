"""The HTTP/1.1 client: pools, redirects and one deadline per request."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Final

from vmcp_proxy.http_client.connect import Connector, Resolver
from vmcp_proxy.http_client.connection import Awaited
from vmcp_proxy.http_client.dial import Address
from vmcp_proxy.http_client.errors import PeerClosed, PoolClosed, RedirectRefused
from vmcp_proxy.http_client.head import HeaderBlock, Headers, encode_head
from vmcp_proxy.http_client.limits import ClientLimits
from vmcp_proxy.http_client.lookups import Lookups
from vmcp_proxy.http_client.peer import Peer
from vmcp_proxy.http_client.pool import Pool
from vmcp_proxy.http_client.response import Response
from vmcp_proxy.http_client.tls import TlsContexts
from vmcp_proxy.http_client.url import InvalidUrl, Url

_REDIRECT: Final = range(300, 400)
MAX_REDIRECTS: Final = 5

_KEEPS_METHOD: Final = frozenset({307, 308})
_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
_DEFAULT_LIMITS: Final = ClientLimits()
_KEEPS_NONE_SECONDS: Final = 300.0
"""How long a server that closed a kept connection under a request gets a new connection for each."""

_MOST_APART: Final = 65_536
"""Streams that stay open, to one peer; there is at most one for each session of a client."""


class HttpClient:
    """Sends requests to backends over kept connections; one per process and event loop.

    ``limits`` bound the connections for calls; what goes ``apart`` has connections of its own. ``denied_addresses`` are
    never dialled: the Kubernetes API server's. A request is written at most once, except where the server itself
    answers with a redirect, and where it may be repeated.
    """

    def __init__(
        self,
        limits: ClientLimits = _DEFAULT_LIMITS,
        *,
        resolver: Resolver | None = None,
        denied_addresses: frozenset[Address] = frozenset(),
    ) -> None:
        self._limits = limits
        self._apart_limits = replace(limits, max_connections=_MOST_APART)
        self._contexts = TlsContexts()
        self._lookups = Lookups()
        self._connector = Connector(limits, resolver or self._lookups, denied_addresses, self._contexts)
        self._pools: dict[str, Pool] = {}
        self._is_closed = False
        self._keeps_none: dict[str, float] = {}
        """Pools of servers that close connections without a word, and until when none is kept to them."""

    @property
    def connections_opened(self) -> int:
        """How many connections were ever established."""
        return self._connector.opened

    @property
    def contexts_built(self) -> int:
        """How many TLS contexts were ever built."""
        return self._contexts.built

    async def request(
        self,
        peer: Peer,
        method: bytes,
        headers: Headers | HeaderBlock,
        body: bytes | None = None,
        *,
        timeout: float,  # noqa: ASYNC109 - one absolute deadline over all phases, kept by the connection's timer
        stream: bool = False,
        apart: bool = False,
        is_repeatable: bool = False,
        is_own: bool = False,
    ) -> Response:
        """Send a request and return its response once the head is there.

        ``timeout`` seconds bound everything up to then: pool, connect, send, redirects, head. Without
        ``stream`` a body that is declared to be at most 64 KiB is awaited too, in the same bound: one wake-up
        instead of two. Host and Content-Length are added; the body is never decompressed. Headers that many
        requests share are cheaper as a HeaderBlock.

        A stream that may stay open for hours goes ``apart``: it must not take a connection that calls need. So does a
        request that ``is_own``, behind which no client stands, while all connections are taken: calls may keep them
        long, and that says nothing of the server.

        A server may close a kept connection in the moment in which a request is written to it. A
        request that ``is_repeatable`` goes out again, on a new connection (RFC 9110 section 9.2.2), and for a
        while no connection to such a server is kept, for the sake of the requests that are not.

        Raises HttpError; ValueError for headers that may not be sent.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        url = peer.url
        if is_own and (calls := self._pools.get(peer.pool_key)) is not None:
            apart = calls.is_full
        key, limits = (f"{peer.pool_key} apart", self._apart_limits) if apart else (peer.pool_key, self._limits)
        for _ in range(MAX_REDIRECTS + 1):
            head = encode_head(method, url, headers, body)
            pool = self._pools.get(key) or self._add_pool(key, peer, limits)
            connection = pool.take_idle() or await pool.acquire(deadline)
            awaited: Awaited = "head" if stream else "small"
            is_head = method == b"HEAD"
            try:
                response = await connection.exchange(head, body, is_head=is_head, awaited=awaited, deadline=deadline)
            except PeerClosed as error:
                if error.started or connection.served == 1:
                    raise
                self._keeps_none[key] = until = asyncio.get_running_loop().time() + _KEEPS_NONE_SECONDS
                pool.keep_none(until)
                if not is_repeatable:
                    raise
                connection = await pool.acquire(deadline)
                response = await connection.exchange(head, body, is_head=is_head, awaited=awaited, deadline=deadline)
            if response.status not in _REDIRECT:
                return response
            target = await _follow(url, method, response)
            if target is None:
                return response
            url = target
        raise RedirectRefused(f"more than {MAX_REDIRECTS} in a row")

    def _add_pool(self, key: str, peer: Peer, limits: ClientLimits) -> Pool:
        if self._is_closed:
            raise PoolClosed(sent=False)
        # Peers come and go with the config; nothing else would drop the pools of those that are gone.
        self._pools = {key: pool for key, pool in self._pools.items() if not pool.is_empty}
        pool = self._pools[key] = Pool(partial(self._connector.connect, peer), limits)
        now = asyncio.get_running_loop().time()
        self._keeps_none = {key: until for key, until in self._keeps_none.items() if until > now}
        pool.keep_none(self._keeps_none.get(key, 0.0))
        return pool

    async def aclose(self) -> None:
        """Close every connection and fail every request that still waits; the client cannot be used again."""
        self._is_closed = True
        self._lookups.close()
        await asyncio.gather(*(pool.aclose() for pool in self._pools.values()))

    def __repr__(self) -> str:
        return f"<HttpClient {len(self._pools)} pools, {self.connections_opened} connections opened>"


async def _follow(url: Url, method: bytes, response: Response) -> Url | None:
    """Return where a redirect leads and let go of it; None if it is the answer."""
    try:
        target = next_url(url, method, response.status, response.headers.get(b"location"))
    except RedirectRefused:
        await response.aclose()
        raise
    if target is not None:
        await response.aclose()
    return target


def next_url(url: Url, method: bytes, status: int, location: bytes | None) -> Url | None:
    """Return where to send the request again, or None where the response itself is the answer.

    307 and 308 repeat the request with method and body. 301, 302 and 303 are followed for GET only: for
    anything else clients turn them into a GET, and an MCP message is none. RedirectRefused for these, for a target
    outside the origin and for one that cannot be read.
    """
    if location is None or status not in _FOLLOWED:
        return None
    try:
        target = url.join(location.decode("utf-8"))
    except (InvalidUrl, UnicodeDecodeError):
        raise RedirectRefused("its target is no usable URL") from None
    if target.origin != url.origin:
        raise RedirectRefused("it leads to another origin", f"{target.scheme}://{target.authority.decode('ascii')}")
    if method != b"GET" and status not in _KEEPS_METHOD:
        raise RedirectRefused(f"HTTP status {status} would lose the message; correct the URL of the backend")
    return target
