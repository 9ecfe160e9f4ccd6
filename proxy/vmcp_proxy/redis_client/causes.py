"""What ails Redis and what to do about it, from what the Redis client raises."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import ClusterError, RedisClusterException
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from vmcp_proxy.redis_client.connect import CLOSED_TRANSPORT

# What a Sentinel or a node of a cluster answered is mere text within another error, so kinds of error do not do. In
# every table the first pattern that is found counts.
Table = tuple[tuple[str, str], ...]

_OF_TLS: Final = r"\[SSL|_ssl\.c:\d"
_TLS: Final[Table] = (
    (
        r"ostname mismatch|IP address mismatch",
        "the certificate of Redis is for another name; name the host in sessionStorage.address as the certificate does",
    ),
    (r"certificate has expired", "the certificate of Redis has expired; renew it"),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        "the certificate of Redis is of no trusted authority; name its CA with sessionStorage.tls.caBundleRef",
    ),
    (r"cadata", "sessionStorage.tls.caBundleRef holds no certificate; write the CA there in PEM"),
    (r"_ALERT_", "Redis breaks the TLS handshake off; let it take TLS 1.2 or newer and ask for no client certificate"),
    (
        r"",
        "no TLS is spoken at sessionStorage.address; name the TLS port there, or turn sessionStorage.tls.enabled off",
    ),
)

# Negative numbers are those of name resolution.
_UNRESOLVED: Final = r"Error -\d+ connecting to|gaierror|nodename nor servname"
_SENTINELS: Final[Table] = (
    (
        r"AuthenticationError",
        (
            "the Sentinels refuse the user name or password; "
            "correct sessionStorage.sentinelUsername and the Secret of sentinelPasswordRef"
        ),
    ),
    (
        r" : ",
        "no Sentinel answers; correct sessionStorage.address, or sessionStorage.tls (whether they speak TLS, their CA)",
    ),
    (r"", "the Sentinels know no master of this name that is up; correct sessionStorage.masterName"),
)
_ANSWERS: Final[Table] = (
    (
        r"AuthenticationError",
        (
            "Redis refuses the user name or password; "
            "correct sessionStorage.username and the Secret of sessionStorage.passwordRef"
        ),
    ),
    (
        r"(?i)unknown command '?sentinel",
        (
            "there is no Sentinel at sessionStorage.address; "
            "name the Sentinels there, or set sessionStorage.mode to what Redis is (standalone, cluster)"
        ),
    ),
    (
        r"run the 'sentinel",
        "the Sentinels' user may not ask them; grant sessionStorage.sentinelUsername the command sentinel masters",
    ),
    (
        r"one of the keys|one of the channels|can't publish to the channel",
        (
            "the Redis user may not use the keys and channels that are needed; "
            "grant it ~{prefix}* (keys) and &{prefix}* (channels)"
        ),
    ),
    (
        r"permissions to run|can't run this command",
        (
            "the Redis user may not run what is needed; grant it eval, evalsha, time, hset, hdel, hmget, hgetall, "
            "del, pexpire, publish, subscribe and ping, in a Cluster also command and cluster slots"
        ),
    ),
    (
        r"cluster support disabled|Cluster mode is not enabled",
        "Redis is no Cluster; set sessionStorage.mode to what it is (standalone, sentinel)",
    ),
    (r"MovedError", "Redis is a Cluster; set sessionStorage.mode to cluster"),
    (
        r"(?i)unknown command '?eval",
        "Redis takes no scripts; if it is a Sentinel, set sessionStorage.mode to sentinel and name the masterName",
    ),
    (r"DB index is out of range", "Redis has no database of this number; lower sessionStorage.db"),
    (r"ReadOnlyError", "Redis is a replica that takes no writes; name the master in sessionStorage.address"),
    (_UNRESOLVED, "the host of Redis cannot be resolved; correct sessionStorage.address, or see to DNS"),
)
_HUNG_UP: Final = (
    r"Connection closed by server|Connection reset|Connection lost|ConnectionResetError|BrokenPipe|IncompleteRead|"
    rf"{CLOSED_TRANSPORT}"
)
_WANTED: Final = {
    False: "; if it hangs up because it speaks TLS, turn sessionStorage.tls.enabled on",
    True: "; if it hangs up because it asks for a client certificate, let it ask for none",
}


@dataclass(frozen=True, slots=True)
class RedisCauses:
    """Puts errors into words, in view of two settings: whether TLS is spoken, and what keys begin with."""

    tls: bool
    key_prefix: str

    def describe(self, error: Exception, *, has_answered: bool) -> str:
        """The cause and, after a semicolon, the remedy where one is known.

        No text of the error is in it: that may hold commands and keys. `has_answered` says that the service has
        worked with these settings.
        """
        chain = tuple(_chain(error))
        told = "\n".join(f"{type(each).__name__} {each}" for each in chain)
        if re.search(_OF_TLS, told):
            return _first(_TLS, told) or ""
        if isinstance(error, MasterNotFoundError):
            return _first(_SENTINELS, told) or ""
        answered = _first(_ANSWERS, told)
        if answered is not None:
            return answered.format(prefix=self.key_prefix)
        return self._away(chain, told, has_answered=has_answered) or f"Redis answers {type(error).__name__}"

    def _away(self, chain: tuple[BaseException, ...], told: str, *, has_answered: bool) -> str | None:
        if _has(chain, RedisTimeoutError, TimeoutError):
            remedy = "; see that it speaks TLS at sessionStorage.address" if self.tls and not has_answered else ""
            return f"Redis does not answer in time{remedy}"
        is_cut = re.search(_HUNG_UP, told) is not None
        if is_cut or _has(chain, RedisConnectionError, OSError):
            return f"no connection to Redis{_WANTED[self.tls] if is_cut and not has_answered else ''}"
        if _has(chain, RedisClusterException, ClusterError, LookupError):
            return "the Redis cluster does not serve all slots"
        return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _has(chain: tuple[BaseException, ...], *kinds: type[Exception]) -> bool:
    return any(isinstance(each, kinds) for each in chain)


def _first(table: Table, told: str) -> str | None:
    return next((text for pattern, text in table if re.search(pattern, told)), None)
