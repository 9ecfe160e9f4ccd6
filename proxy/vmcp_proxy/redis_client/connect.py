"""Connections to a Redis service, whatever its layout."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from vmcp_api.certificates import to_ascii
from vmcp_api.spec.sessions import RedisMode

RedisClient = Redis | RedisCluster

SOCKET_SECONDS: Final = 2.0
"""Longest wait for a connection and for an answer."""

MOST_CONNECTIONS: Final = 32
"""More than all who keep something there use at once, two subscriptions included."""

CLOSED_TRANSPORT: Final = "the handler is closed"
"""What stands in uvloop's error where a connection is written to that the peer has closed."""

_HEALTH_CHECK_SECONDS: Final = 15
_RESP_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class RedisEndpoint:
    """Where and how to connect; `ca` is PEM text, absent means the system's certificates.

    `username` and `password` are those of the nodes with the data; Sentinels have a user of their own, or none.
    """

    addresses: tuple[tuple[str, int], ...]
    mode: RedisMode = RedisMode.STANDALONE
    master_name: str | None = None
    db: int = 0
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: bytes | None = field(default=None, repr=False)
    tls: bool = False
    ca: str | None = field(default=None, repr=False)


class RedisLink:
    """A client and what has to be closed with it."""

    __slots__ = ("_sentinel", "client")

    def __init__(self, client: RedisClient, sentinel: Sentinel | None = None) -> None:
        self.client: Final = client
        self._sentinel: Final = sentinel

    async def aclose(self) -> None:
        """Close every connection."""
        await self.client.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()


def connect(endpoint: RedisEndpoint) -> RedisLink:
    """A client that has not connected yet and never does so before the first command.

    One retry heals pooled connections that a restart left dead: every command may be repeated.
    """
    options: dict[str, Any] = {
        **_user(endpoint.username, endpoint.password),
        "max_connections": MOST_CONNECTIONS,
        "health_check_interval": _HEALTH_CHECK_SECONDS,
        **_wire(endpoint),
    }
    match endpoint.mode:
        case RedisMode.CLUSTER:
            nodes = [ClusterNode(host, port) for host, port in endpoint.addresses]
            return RedisLink(RedisCluster(startup_nodes=nodes, **options))
        case RedisMode.SENTINEL:
            own = _user(endpoint.sentinel_username, endpoint.sentinel_password) | _wire(endpoint)
            sentinel = Sentinel(list(endpoint.addresses), sentinel_kwargs=own)  # type: ignore[no-untyped-call]
            client = sentinel.master_for(endpoint.master_name or "", db=endpoint.db, **options)
            return RedisLink(client, sentinel)
        case RedisMode.STANDALONE:
            host, port = endpoint.addresses[0]
            return RedisLink(Redis(host=host, port=port, db=endpoint.db, **options))


def _user(username: str | None, password: bytes | None) -> dict[str, Any]:
    # As bytes: a password need be no text.
    return {"username": username, "password": password}


def _wire(endpoint: RedisEndpoint) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": SOCKET_SECONDS,
        "protocol": _RESP_VERSION,
        "retry": Retry(NoBackoff(), 1),
    }
    if endpoint.tls:
        options |= {"ssl": True, "ssl_check_hostname": True}
        if endpoint.ca is not None:
            options["ssl_ca_data"] = to_ascii(endpoint.ca)
    return options


@contextmanager
def telling_lost_connections() -> Iterator[None]:
    """Raise a connection that the peer has closed as what it is: uvloop says it by a bare RuntimeError.

    Raises:
        redis.exceptions.ConnectionError: that is so.
    """
    try:
        yield
    except RuntimeError as error:
        if CLOSED_TRANSPORT not in str(error):
            raise
        raise RedisConnectionError(CLOSED_TRANSPORT) from None
