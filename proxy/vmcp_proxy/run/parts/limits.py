"""The rate limits over reloads: one set of buckets, and what becomes of decisions."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from vmcp_api.config import ProxyConfig
from vmcp_api.pod_status import StoreReport
from vmcp_api.spec.sessions import StorageProvider
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.outcomes import Limit
from vmcp_proxy.core.policy.rate_limit import LimitOutcome, LimitServices
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.limits.limiter import Limiter
from vmcp_proxy.limits.memory import MemoryLimiter
from vmcp_proxy.limits.users import user_key
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.run.settings import LOGGER
from vmcp_proxy.sessions import Keyring

if TYPE_CHECKING:
    from vmcp_proxy.redis_client.service import RedisService

logger: Final = logging.getLogger(LOGGER)

_MOST_USERS: Final = 4096
"""Callers whose digest is remembered; of more, all begin anew."""

_UNCHECKED: Final = {
    LimitOutcome.UNCHECKED_ALLOWED: "requests are let through without limits",
    LimitOutcome.UNCHECKED_DENIED: "requests are refused",
}


class LimitDecisions:
    """A `LimitObserver`: decisions are counted; that the buckets are away, and back again, is told once each."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter: Final = limiter
        # No `Counter`, which costs a call of a Python method for each item that is set.
        self._counts: Final[dict[tuple[tuple[Limit, ...], LimitOutcome], int]] = {}
        self._told: LimitOutcome | None = None

    @property
    def counts(self) -> Mapping[tuple[str, ...], float]:
        """How many there were, by bucket and outcome."""
        counts: Counter[tuple[str, ...]] = Counter()
        for (limits, outcome), count in self._counts.items():
            for limit in limits:
                counts[limit.value, outcome.value] += count
        return counts

    def on_limits(self, limits: tuple[Limit, ...], outcome: LimitOutcome) -> None:
        """See `LimitObserver.on_limits`."""
        key = limits, outcome
        self._counts[key] = self._counts.get(key, 0) + 1
        if outcome in _UNCHECKED or self._told is not None:
            self._tell(outcome)

    def _tell(self, outcome: LimitOutcome) -> None:
        effect = _UNCHECKED.get(outcome)
        if effect is None and self._told is not None:
            self._told = None
            log_event(logger, logging.INFO, "rate limits are checked again")
        elif effect is not None and outcome is not self._told:
            self._told = outcome
            message = self._limiter.state.message
            log_event(logger, logging.WARNING, "rate limits cannot be checked", message=message, effect=effect)


class UserKeys:
    """What stands for callers in the names of their buckets, computed once for each while one key signs."""

    def __init__(self, keyring: Callable[[], Keyring]) -> None:
        self._keyring: Final = keyring
        self._ring: Keyring | None = None
        self._known: Final[dict[tuple[str, str, bool], str]] = {}

    def of(self, identity: Identity) -> str:
        """See `user_key`."""
        keyring = self._keyring()
        if self._ring is not keyring or len(self._known) >= _MOST_USERS:
            self._ring = keyring
            self._known.clear()
        who = identity.issuer, identity.subject, identity.has_authorization
        known = self._known.get(who)
        if known is None:
            known = self._known[who] = user_key(keyring, identity.canonical_bytes)
        return known


def build_limits(
    config: ProxyConfig,
    redis: "RedisService | None",
    keyring: Callable[[], Keyring],
    asks: Callable[[Caller], bool],
    asks_for_one: Callable[[Caller], bool],
    tasks: asyncio.TaskGroup,
) -> LimitServices:
    """What limits stand on until the process ends, whether or not a config asks for some."""
    limiter = _limiter(config, redis, tasks)
    return LimitServices(limiter, UserKeys(keyring).of, asks, asks_for_one, LimitDecisions(limiter))


def limits_report(config: ProxyConfig, limiter: Limiter) -> StoreReport | None:
    """How the buckets fare, for the status; None where nothing is limited."""
    return None if config.config.rate_limiting is None else limiter.state


def has_unshared_users(config: ProxyConfig, *, has_keys: bool) -> bool:
    """Whether buckets of users lie in a store that proxies share, under names that each makes with keys of its own."""
    limits = config.config.rate_limiting
    is_shared = config.session_storage.provider is StorageProvider.REDIS
    return is_shared and not has_keys and limits is not None and limits.has_per_user


def _limiter(config: ProxyConfig, redis: "RedisService | None", tasks: asyncio.TaskGroup) -> Limiter:
    if redis is None:
        return MemoryLimiter()
    # Imported where Redis' client is there already; see `run.parts.redis`.
    from vmcp_proxy.limits.redis import RedisLimiter  # noqa: PLC0415

    return RedisLimiter(redis, f"{config.namespace}/{config.name}", tasks)
