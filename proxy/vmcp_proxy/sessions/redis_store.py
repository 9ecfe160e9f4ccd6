"""The store that pods share: one Redis hash per session, changed by scripts only."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from vmcp_proxy.sessions import scripts
from vmcp_proxy.sessions.cancellation import keeping_cancellation
from vmcp_proxy.sessions.record import SessionRecord, backend_field, parse_record
from vmcp_proxy.sessions.redis_client import RedisLink
from vmcp_proxy.sessions.redis_watch import watch_channel
from vmcp_proxy.sessions.store import (
    Absent,
    End,
    Ended,
    Found,
    IdleEnd,
    Presence,
    StoreState,
    StoreUnavailable,
    Times,
    Touch,
)

T = TypeVar("T")

# A slot that no node of a cluster serves surfaces as a bare KeyError of redis-py's slot table.
REDIS_ERRORS: Final = (RedisError, RedisClusterException, OSError, TimeoutError, LookupError)
"""All that redis-py raises when the service is not there, does not let us in or does not obey."""

CONCURRENT_COMMANDS: Final = 16
_CALL_SECONDS: Final = 4.0
_REST_SECONDS: Final = 0.5
# The key outlives the TTL, so that the pod that ends an idle session still finds when it was last used.
_KEEP_SECONDS: Final = 60.0


class RedisStore:
    """Sessions of one VirtualMCPServer in Redis, under `<prefix><digest>`; ends go out on `<prefix>ended`.

    Nothing connects before the first call. After a lost connection the next calls fail at once for half a
    second, so that a dead Redis costs each request nothing.
    """

    def __init__(self, link: RedisLink, *, prefix: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._link: Final = link
        self._client: Final = link.client
        self._prefix: Final = prefix
        self._channel: Final = f"{prefix}ended"
        self._clock: Final = clock
        self._slots: Final = asyncio.Semaphore(CONCURRENT_COMMANDS)
        self._commands = StoreState(available=True)
        self._subscription = StoreState(available=True)
        self._rests_until = 0.0

    @property
    def is_shared(self) -> bool:
        return True

    @property
    def state(self) -> StoreState:
        return self._subscription if self._commands.available else self._commands

    async def create(self, digest: str, record: SessionRecord, times: Times, ttl: float) -> Presence:
        fields = [part for pair in record.encode().items() for part in pair]
        head = (_ms(times.age), _ms(times.idle), _ms(times.left), _ms(ttl + _KEEP_SECONDS))
        return scripts.PRESENCE[await self._eval(scripts.CREATE, digest, *head, *fields)]

    async def load(self, digest: str) -> Found | Absent | Ended:
        now, flat = await self._eval(scripts.LOAD, digest)
        fields: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
        if b"terminated" in fields:
            return Ended()
        record, times = parse_record(fields), _parse_times(now, fields)
        return Found(record, times) if record is not None and times is not None else Absent()

    async def touch(self, touches: Sequence[Touch], ttl: float) -> tuple[Presence, ...]:
        keep = _ms(ttl + _KEEP_SECONDS)
        return await self._eval_each(scripts.TOUCH, [(t.digest, _ms(t.idle), keep) for t in touches])

    async def end(self, ends: Sequence[End]) -> None:
        await self._eval_each(scripts.END, [(end.digest, self._channel, end.digest, _ms(end.left)) for end in ends])

    async def end_idle(self, ends: Sequence[IdleEnd]) -> tuple[Presence, ...]:
        return await self._eval_each(
            scripts.END_IDLE,
            [(end.digest, self._channel, end.digest, _ms(end.left), _ms(end.max_idle)) for end in ends],
        )

    async def put_backend(self, digest: str, backend: str, sealed: bytes | None) -> None:
        value = () if sealed is None else (sealed,)
        await self._eval(scripts.PUT_BACKEND, digest, backend_field(backend), *value)

    async def watch(
        self,
        on_ended: Callable[[str], None],
        on_subscribed: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        def subscribed() -> None:
            self._subscription = StoreState(available=True)
            self._rests_until = 0.0
            on_subscribed()

        def lost(error: Exception) -> None:
            self._subscription = StoreState(available=False, message=_cause(error))
            on_lost()

        await watch_channel(self._client, self._channel, on_ended, subscribed, lost, REDIS_ERRORS)

    async def aclose(self) -> None:
        await self._link.aclose()

    def __repr__(self) -> str:
        return f"RedisStore({self.state})"

    async def _eval(self, script: str, digest: str, *args: str | bytes) -> Any:
        return await self._call(lambda: self._client.execute_command("EVAL", script, 1, self._prefix + digest, *args))

    async def _eval_each(self, script: str, calls: Sequence[tuple[str, ...]]) -> tuple[Presence, ...]:
        if not calls:
            return ()
        pipeline = self._client.pipeline(transaction=False)
        for digest, *args in calls:
            pipeline.execute_command("EVAL", script, 1, self._prefix + digest, *args)
        return tuple(scripts.PRESENCE[answer] for answer in await self._call(pipeline.execute))

    async def _call(self, send: Callable[[], Awaitable[T]]) -> T:
        if self._clock() < self._rests_until:
            raise StoreUnavailable(self._commands.message)
        try:
            with keeping_cancellation():
                async with asyncio.timeout(_CALL_SECONDS), self._slots:
                    answer = await send()
        except REDIS_ERRORS as error:
            self._commands = StoreState(available=False, message=_cause(error))
            if isinstance(error, RedisConnectionError | RedisTimeoutError | OSError):
                self._rests_until = self._clock() + _REST_SECONDS
            # The cause would carry the command, and with it the session's record, into a traceback.
            raise StoreUnavailable(self._commands.message) from None
        self._commands = StoreState(available=True)
        return answer


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))


def _parse_times(now: int, fields: dict[bytes, bytes]) -> Times | None:
    try:
        created, seen, deadline = (int(fields[name]) for name in (b"created", b"seen", b"deadline"))
    except (KeyError, ValueError):
        return None
    return Times((now - created) / 1000, (now - seen) / 1000, (deadline - now) / 1000)


def _cause(error: Exception) -> str:
    match error:
        case AuthenticationError():
            return "Redis refuses the user name or password"
        case NoPermissionError():
            return "the Redis user may not run what sessions need (EVAL, hashes, PUBLISH, SUBSCRIBE)"
        case RedisTimeoutError() | TimeoutError():
            return "Redis does not answer in time"
        case RedisConnectionError() | OSError():
            return "no connection to Redis"
        case LookupError() | RedisClusterException():
            return "the Redis cluster does not serve all slots"
        case _:
            return f"Redis answers {type(error).__name__}"
