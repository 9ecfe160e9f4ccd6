"""Opening a connection: resolve once, check, dial exactly what was checked."""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Protocol

from vmcp_proxy.http_client.connection import Connection, Owner
from vmcp_proxy.http_client.dial import Address, Refusal, choose
from vmcp_proxy.http_client.errors import (
    NAME_UNANSWERED,
    NAME_UNKNOWN,
    REFUSES,
    ConnectFailed,
    DialRefused,
    HttpError,
    Timeout,
    TlsFailed,
)
from vmcp_proxy.http_client.limits import ClientLimits
from vmcp_proxy.http_client.peer import Peer
from vmcp_proxy.http_client.tls import TlsContexts
from vmcp_proxy.protocol.tls_trouble import HANDSHAKE_REFUSED, explain_tls_error


class Resolver(Protocol):
    """Asks once and returns addresses as text, best first; OSError when the name is unknown."""

    async def __call__(self, host: str, port: int) -> Sequence[str]: ...


class Connector:
    """Turns a peer into a connection; counts them in ``opened``."""

    def __init__(
        self, limits: ClientLimits, resolver: Resolver, denied: frozenset[Address], contexts: TlsContexts
    ) -> None:
        self._limits = limits
        self._resolver = resolver
        self._denied = denied
        self._contexts = contexts
        self.opened = 0

    async def connect(self, peer: Peer, owner: Owner, deadline: float) -> Connection:
        """Connect before the deadline (event loop time) and within ``connect_timeout``.

        ConnectFailed, DialRefused, TlsFailed or Timeout; none of them was sent anything.
        """
        deadline = min(deadline, asyncio.get_running_loop().time() + self._limits.connect_timeout)
        addresses = await self._resolve(peer, deadline)
        try:
            async with asyncio.timeout_at(deadline):
                context = await self._contexts.get(peer.trust) if peer.url.scheme == "https" else None
                return await self._dial_any(peer, addresses, context, owner, deadline)
        except TimeoutError:
            raise Timeout("connect", sent=False) from None

    async def _resolve(self, peer: Peer, deadline: float) -> tuple[str, ...]:
        try:
            async with asyncio.timeout_at(deadline):
                found = await self._resolver(peer.url.host, peer.url.port)
        except TimeoutError:
            raise ConnectFailed(NAME_UNANSWERED) from None
        except (OSError, UnicodeError):
            raise ConnectFailed(NAME_UNKNOWN) from None
        if not found:
            raise ConnectFailed("the host name has no address")
        chosen = choose(found, peer.network, self._denied)
        if isinstance(chosen, Refusal):
            raise DialRefused(chosen.category, peer.network, chosen.remedy)
        return chosen

    async def _dial_any(
        self,
        peer: Peer,
        addresses: tuple[str, ...],
        context: ssl.SSLContext | None,
        owner: Owner,
        deadline: float,
    ) -> Connection:
        """Try the addresses in order, each with its share of the time that is left."""
        loop = asyncio.get_running_loop()
        failure: HttpError = ConnectFailed("no address")
        for position, address in enumerate(addresses):
            share = (deadline - loop.time()) / (len(addresses) - position)
            try:
                async with asyncio.timeout(share):
                    return await self._dial(peer, address, context, owner)
            except TimeoutError:
                failure = Timeout("connect", sent=False)
            except ConnectFailed as error:
                failure = error
        raise failure

    async def _dial(self, peer: Peer, address: str, context: ssl.SSLContext | None, owner: Owner) -> Connection:
        loop = asyncio.get_running_loop()
        name = peer.url.host.rstrip(".") if context is not None else None
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(loop, owner, self._limits),
                address,
                peer.url.port,
                ssl=context,
                server_hostname=name,
            )
        except ssl.SSLError as error:
            raise TlsFailed(explain_tls_error(error)) from None
        except TimeoutError:
            raise
        except OSError as error:
            if context is not None and isinstance(error, (ConnectionResetError, ConnectionAbortedError)):
                raise TlsFailed(HANDSHAKE_REFUSED) from None
            raise ConnectFailed(_explain(error)) from None
        self.opened += 1
        return connection


def _explain(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return REFUSES
    if isinstance(error, ConnectionError):
        return "connection reset while it was set up"
    return "the host is unreachable"
