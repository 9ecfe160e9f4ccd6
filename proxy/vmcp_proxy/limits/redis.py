"""The buckets that pods share: one hash each, all of one endpoint in one slot of a Cluster, changed by one script."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from vmcp_api.pod_status import STORE_OK, STORE_UNAVAILABLE, STORE_UNKNOWN, StoreReport
from vmcp_proxy.limits.bucket import Use, Waits
from vmcp_proxy.limits.script import TAKE
from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.redis_client.calls import RedisCalls, RedisUnavailable
from vmcp_proxy.redis_client.service import RedisService

logger: Final = logging.getLogger("vmcp.limits")

DECISION_SECONDS: Final = 0.5
"""Longest wait of a request for its tokens."""

_LAST_SECONDS: Final = 0.1
"""The end of it, waited for by itself: where this process was held up, a timer fires before a socket is read."""

_LATE: Final = f"Redis has not answered within {DECISION_SECONDS:g} s"
_MOST_IN_TRIP: Final = 64
"""Requests that one script decides on, so that it holds up nobody else's Redis."""


class _Asked:
    """A request that waits for its tokens, `until` a loop time; `is_last` once that is the end of its last wait."""

    __slots__ = ("answer", "is_last", "until", "uses")

    def __init__(self, uses: Sequence[Use], loop: asyncio.AbstractEventLoop) -> None:
        self.uses: Final = uses
        self.answer: Final[asyncio.Future[Waits | None]] = loop.create_future()
        self.until = loop.time() + DECISION_SECONDS - _LAST_SECONDS
        self.is_last = False


class RedisLimiter:
    """A `Limiter` for many replicas, in keys `<prefix>rl:{<namespace>/<name>}:<bucket>`.

    One script is on its way at a time, and requests that come meanwhile go together with the next: a command costs
    this process more than many decisions. A request waits no longer than `DECISION_SECONDS`; its script may take
    longer, and while that is so, or Redis has failed, one trial at a time finds out whether it is back, and nobody
    else waits.
    """

    def __init__(self, redis: RedisService, scope: str, tasks: asyncio.TaskGroup) -> None:
        self._client: Final = redis.link.client
        self._calls: Final = RedisCalls(redis.causes, concurrent=1)
        self._prefix: Final = f"{redis.key_prefix}rl:{{{scope}}}:"
        self._tasks: Final = tasks
        self._asked: Final[deque[_Asked]] = deque()
        self._waiting: Final[deque[_Asked]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_travelling = False
        self._is_late = False

    @property
    def state(self) -> StoreReport:
        """See `Limiter.state`."""
        problem = _LATE if self._is_late else self._calls.problem
        if not self._calls.is_known and not self._is_late:
            return StoreReport(STORE_UNKNOWN, problem)
        return StoreReport(STORE_UNAVAILABLE if problem else STORE_OK, problem)

    def take_now(self, uses: Sequence[Use]) -> Waits | None:
        """See `Limiter.take_now`: Redis is always waited for."""
        del uses
        return None

    async def take(self, uses: Sequence[Use]) -> Waits | None:
        """See `Limiter.take`."""
        if self._calls.is_resting or (self._is_travelling and self.state.is_away):
            return None
        loop = asyncio.get_running_loop()
        asked = _Asked(uses, loop)
        self._asked.append(asked)
        self._waiting.append(asked)
        if self._timer is None:
            # One for all who wait: each of its own would cost a request more than its share of the script.
            self._timer = loop.call_at(asked.until, self._tell_late, loop)
        if not self._is_travelling:
            self._is_travelling = True
            self._tasks.create_task(self._travel(), name="rate limits")
        # Whoever is cancelled here cancels it too.
        return await asked.answer

    def _tell_late(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sends those on who have waited as long as they may."""
        now, soonest = loop.time(), math.inf
        for asked in self._waiting:
            if asked.answer.done():
                continue
            if asked.until <= now and asked.is_last:
                self._is_late = True
                asked.answer.set_result(None)
                continue
            if asked.until <= now:
                asked.is_last, asked.until = True, now + _LAST_SECONDS
            soonest = min(soonest, asked.until)
        self._timer = None if soonest == math.inf else loop.call_at(soonest, self._tell_late, loop)

    def _forget_answered(self) -> None:
        waiting = self._waiting
        while waiting and waiting[0].answer.done():
            waiting.popleft()
        if not waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _travel(self) -> None:
        """Asks for all who wait, until nobody does."""
        try:
            while self._asked:
                together = [self._asked.popleft() for _ in range(min(_MOST_IN_TRIP, len(self._asked)))]
                # Whoever has gone, or waits no longer, takes no token.
                await self._decide([asked for asked in together if not asked.answer.done()])
                self._forget_answered()
        finally:
            self._is_travelling = False

    async def _decide(self, together: Sequence[_Asked]) -> None:
        if not together:
            return
        try:
            waits = await self._calls.call(lambda: self._take(together))
        except RedisUnavailable:
            _answer((*together, *self._asked), None)
            self._asked.clear()
        except Exception as error:  # noqa: BLE001 - whatever the client raises, it must not end the process
            log_event(logger, logging.ERROR, "rate limits failed", error=describe_exception(error))
            _answer(together, None)
        else:
            _answer(together, waits)
        self._is_late = False

    async def _take(self, together: Sequence[_Asked]) -> Sequence[int]:
        uses = [use for asked in together for use in asked.uses]
        arguments: list[int] = []
        for asked in together:
            arguments.append(len(asked.uses))
            for use in asked.uses:
                arguments += (use.terms.tokens, use.terms.period)
        waits: Sequence[int] = await TAKE.run(self._client, [self._prefix + use.key for use in uses], *arguments)
        return waits


def _answer(together: Sequence[_Asked], waits: Sequence[int] | None) -> None:
    begin = 0
    for asked in together:
        end = begin + len(asked.uses)
        if not asked.answer.done():
            asked.answer.set_result(None if waits is None else tuple(waits[begin:end]))
        begin = end
