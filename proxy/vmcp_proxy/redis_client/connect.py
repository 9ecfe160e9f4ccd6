"""Connections to a Redis service, whatever its layout."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from vmcp_api.certificates import to_ascii
from vmcp_api.spec.sessions import RedisMode

RedisClient = Redis | RedisCluster

T = TypeVar("T")

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

    `username` is that of the nodes with the data; Sentinels have a user of their own, or none. Passwords come later,
    by the link: they change while it lives.
    """

    addresses: tuple[tuple[str, int], ...]
    mode: RedisMode = RedisMode.STANDALONE
    master_name: str | None = None
    db: int = 0
    username: str | None = None
    needs_password: bool = False
    sentinel_username: str | None = None
    needs_sentinel_password: bool = False
    tls: bool = False
    ca: str | None = field(default=None, repr=False)


class LiveUser(CredentialProvider):
    """A user whose password may change: each new connection takes the one of now (an old one stays logged in)."""

    def __init__(self, username: str | None, *, needs_password: bool) -> None:
        self._username: Final = username
        self._needs_password: Final = needs_password
        self.password: bytes | None = None

    def get_credentials(self) -> Any:
        """See `CredentialProvider`; the password as bytes, for it need be no text.

        Raises:
            AuthenticationError: it is needed and not there; connected without, the connection would stay as it is.
        """
        if self.password is None and self._needs_password:
            raise AuthenticationError("no password")
        if self._username:
            return self._username, self.password or b""
        return () if self.password is None else (self.password,)

    async def get_credentials_async(self) -> Any:
        """See `get_credentials`."""
        return self.get_credentials()


class RedisLink:
    """A client, the users that it connects as, and what has to be closed with it."""

    __slots__ = ("_sentinel", "_sentinel_user", "_user", "client")

    def __init__(
        self,
        client: RedisClient,
        user: LiveUser,
        sentinel: Sentinel | None = None,
        sentinel_user: LiveUser | None = None,
    ) -> None:
        self.client: Final = client
        self._user: Final = user
        self._sentinel: Final = sentinel
        self._sentinel_user: Final = sentinel_user

    def take_passwords(self, password: bytes | None, sentinel_password: bytes | None) -> None:
        """Has connections from now on log in with these."""
        self._user.password = password
        if self._sentinel_user is not None:
            self._sentinel_user.password = sentinel_password

    async def aclose(self) -> None:
        """Close every connection."""
        await self.client.aclose()
        if self._sentinel is not None:
            await self._sentinel.aclose()


def connect(endpoint: RedisEndpoint) -> RedisLink:
    """A client that has not connected yet and never does so before the first command.

    One retry heals pooled connections that a restart left dead: every command may be repeated.
    """
    user = LiveUser(endpoint.username, needs_password=endpoint.needs_password)
    options: dict[str, Any] = {
        "credential_provider": user,
        "max_connections": MOST_CONNECTIONS,
        "health_check_interval": _HEALTH_CHECK_SECONDS,
        **_wire(endpoint),
    }
    match endpoint.mode:
        case RedisMode.CLUSTER:
            nodes = [ClusterNode(host, port) for host, port in endpoint.addresses]
            return RedisLink(RedisCluster(startup_nodes=nodes, **options), user)
        case RedisMode.SENTINEL:
            sentinel_user = LiveUser(endpoint.sentinel_username, needs_password=endpoint.needs_sentinel_password)
            own = {"credential_provider": sentinel_user} | _wire(endpoint)
            sentinel = Sentinel(list(endpoint.addresses), sentinel_kwargs=own)  # type: ignore[no-untyped-call]
            client = sentinel.master_for(endpoint.master_name or "", db=endpoint.db, **options)
            return RedisLink(client, user, sentinel, sentinel_user)
        case RedisMode.STANDALONE:
            host, port = endpoint.addresses[0]
            return RedisLink(Redis(host=host, port=port, db=endpoint.db, **options), user)


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


async def over_live_connections(send: Callable[[], Awaitable[T]]) -> T:
    """The answer to what `send` sends, which may be called several times.

    Each connection in the pool may have been reset while it was idle, and is found minutes after Redis is back:
    redis-py looks for an end of the stream only, and what uvloop raises at the write is no cause for its retry.
    Nothing was sent then, and the next attempt takes another one or connects.

    Raises:
        redis.exceptions.ConnectionError: there are more of them than connections.
    """
    for _ in range(MOST_CONNECTIONS):
        with suppress(ClosedConnectionError), telling_lost_connections():
            return await send()
    with telling_lost_connections():
        return await send()


class ClosedConnectionError(RedisConnectionError):
    """A connection that was to be written to is closed; nothing has been sent."""


@contextmanager
def telling_lost_connections() -> Iterator[None]:
    """Raise a connection that the peer has closed as what it is: uvloop says it by a bare RuntimeError.

    Raises:
        ClosedConnectionError: that is so.
    """
    try:
        yield
    except RuntimeError as error:
        if CLOSED_TRANSPORT not in str(error):
            raise
        raise ClosedConnectionError(CLOSED_TRANSPORT) from None
