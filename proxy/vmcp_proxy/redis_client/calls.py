"""Commands to Redis within a bound, and what is known of it by how they went."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from vmcp_proxy.redis_client.cancellation import keeping_cancellation
from vmcp_proxy.redis_client.causes import RedisCauses
from vmcp_proxy.redis_client.connect import over_live_connections

T = TypeVar("T")

# A slot that no node of a cluster serves surfaces as a bare KeyError of redis-py's slot table.
REDIS_ERRORS: Final = (RedisError, RedisClusterException, OSError, TimeoutError, LookupError)
"""All that redis-py raises when the service is not there, does not let us in or does not obey."""

CALL_SECONDS: Final = 4.0
"""Longest time of one call, the way to a connection included."""

_REST_SECONDS: Final = 0.5


class RedisUnavailable(Exception):  # noqa: N818 - names the state
    """Redis cannot be asked now; the text names the cause without commands, keys or credentials."""


class RedisCalls:
    """At most so many calls at once; `problem` is what ailed the last one, empty where nothing did.

    After a lost connection the next calls fail at once for half a second, so that a dead Redis costs each request
    nothing. What began before such a rest says nothing new when it fails: calls that have waited for seconds must not
    keep others from a Redis that is back.
    """

    def __init__(self, causes: RedisCauses, *, concurrent: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.problem = "Redis has not been asked yet"
        self.is_known = False
        self._causes: Final = causes
        self._slots: Final = asyncio.Semaphore(concurrent)
        self._clock: Final = clock
        self._has_answered = False
        self._rested_at = self._rests_until = -math.inf

    @property
    def is_resting(self) -> bool:
        """Whether calls fail at once."""
        return self._clock() < self._rests_until

    def wake(self) -> None:
        """Ends the rest: somebody else has heard of Redis."""
        self._rests_until = -math.inf

    def describe(self, error: Exception) -> str:
        """The cause of an error and its remedy."""
        return self._causes.describe(error, has_answered=self._has_answered)

    async def call(self, send: Callable[[], Awaitable[T]]) -> T:
        """The answer to one command or pipeline.

        Raises:
            RedisUnavailable: there is none, or Redis is given a rest.
        """
        if self.is_resting:
            raise RedisUnavailable(self.problem)
        began = self._clock()
        try:
            with keeping_cancellation():
                async with asyncio.timeout(CALL_SECONDS), self._slots:
                    answer = await over_live_connections(send)
        except REDIS_ERRORS as error:
            self.problem, self.is_known = self.describe(error), True
            is_lost = isinstance(error, RedisConnectionError | RedisTimeoutError | OSError)
            if is_lost and began >= self._rested_at:
                self._rested_at = self._clock()
                self._rests_until = self._rested_at + _REST_SECONDS
            # The cause would carry the command, and what was to be kept, into a traceback.
            raise RedisUnavailable(self.problem) from None
        self.problem, self.is_known = "", True
        self._has_answered = True
        self._rests_until = -math.inf
        return answer
