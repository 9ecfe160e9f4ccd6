"""The store that pods share: one Redis hash per session, changed by scripts only."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from redis.asyncio import RedisCluster

from vmcp_proxy.redis_client.calls import REDIS_ERRORS, RedisCalls, RedisUnavailable
from vmcp_proxy.redis_client.script import Script
from vmcp_proxy.redis_client.service import RedisService
from vmcp_proxy.redis_client.watch import watch_channels
from vmcp_proxy.sessions.store import redis_scripts as scripts
from vmcp_proxy.sessions.store.protocol import (
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
from vmcp_proxy.sessions.store.record import LEVEL_FIELD, STREAM_FIELD, SessionRecord, backend_field, parse_record

T = TypeVar("T")

CONCURRENT_COMMANDS: Final = 16
# The key outlives the TTL, so that the pod that ends an idle session still finds when it was last used.
_KEEP_SECONDS: Final = 60.0


class RedisStore:
    """Sessions of one VirtualMCPServer in Redis, under `<prefix><digest>`.

    Ends go out on the channel `<prefix>ended`, messages between pods on `<prefix>pod:<name>`.

    Nothing connects before the first call, and until then the state is unknown.
    """

    def __init__(self, redis: RedisService, scope: str) -> None:
        prefix = f"{redis.key_prefix}{scope}:"
        self._client: Final = redis.link.client
        self._prefix: Final = prefix
        self._channel: Final = f"{prefix}ended"
        self._calls: Final = RedisCalls(redis.causes, concurrent=CONCURRENT_COMMANDS)
        self._subscription = StoreState(available=True)
        self._hearing = StoreState(available=True)

    @property
    def is_shared(self) -> bool:
        return True

    @property
    def state(self) -> StoreState:
        calls = self._calls
        commands = StoreState(available=not calls.problem, message=calls.problem, is_known=calls.is_known)
        states = (commands, self._subscription, self._hearing)
        return next((state for state in states if not state.available), commands)

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

    async def put_backend(self, digest: str, backend: str, sealed: bytes) -> None:
        await self._eval(scripts.PUT_FIELD, digest, backend_field(backend), sealed)

    async def put_level(self, digest: str, level: str) -> None:
        await self._eval(scripts.PUT_FIELD, digest, LEVEL_FIELD, level)

    async def take_stream(self, digest: str, pod: str) -> str | None:
        return _text(await self._eval(scripts.SWAP_FIELD, digest, STREAM_FIELD, pod))

    async def claim_stream(self, digest: str, pod: str) -> bool:
        return bool(await self._eval(scripts.CLAIM_FIELD, digest, STREAM_FIELD, pod))

    async def clear_stream(self, digest: str, pod: str) -> None:
        await self._eval(scripts.CLEAR_FIELD, digest, STREAM_FIELD, pod)

    async def stream_of(self, digest: str) -> str | None:
        return _text(await self._eval(scripts.GET_FIELD, digest, STREAM_FIELD))

    async def publish(self, name: str, sealed: bytes) -> bool:
        heard = await self._eval(scripts.PUBLISH, f"pod:{name}", sealed)
        # A node of a cluster counts its own subscribers only, and the pod may still be with another one.
        return bool(heard) or isinstance(self._client, RedisCluster)

    async def watch(
        self,
        on_ended: Callable[[str], None],
        on_subscribed: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        def subscribed() -> None:
            self._subscription = StoreState(available=True)
            self._calls.wake()
            on_subscribed()

        def lost(error: Exception) -> None:
            self._subscription = self._unavailable(error)
            on_lost()

        def ended(_channel: str, raw: bytes) -> None:
            on_ended(raw.decode(errors="replace"))

        await watch_channels(self._client, (self._channel,), ended, subscribed, lost, REDIS_ERRORS)

    async def listen(self, names: Sequence[str], on_message: Callable[[str, bytes], None]) -> None:
        channels = {f"{self._prefix}pod:{name}": name for name in names}

        def subscribed() -> None:
            self._hearing = StoreState(available=True)

        def lost(error: Exception) -> None:
            self._hearing = self._unavailable(error)

        def heard(channel: str, raw: bytes) -> None:
            on_message(channels[channel], raw)

        await watch_channels(self._client, tuple(channels), heard, subscribed, lost, REDIS_ERRORS)

    async def aclose(self) -> None:
        """Nothing to let go of: the connections are the process's."""

    def __repr__(self) -> str:
        return f"RedisStore({self.state})"

    async def _eval(self, script: Script, name: str, *args: str | bytes) -> Any:
        return await self._call(lambda: script.run(self._client, (self._prefix + name,), *args))

    async def _eval_each(self, script: Script, calls: Sequence[tuple[str, ...]]) -> tuple[Presence, ...]:
        if not calls:
            return ()
        keyed = [(self._prefix + digest, *args) for digest, *args in calls]
        answers = await self._call(lambda: script.run_each(self._client, keyed))
        return tuple(scripts.PRESENCE[answer] for answer in answers)

    async def _call(self, send: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._calls.call(send)
        except RedisUnavailable as error:
            raise StoreUnavailable(str(error)) from None

    def _unavailable(self, error: Exception) -> StoreState:
        return StoreState(available=False, message=self._calls.describe(error))


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="replace")


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))


def _parse_times(now: int, fields: dict[bytes, bytes]) -> Times | None:
    try:
        created, seen, deadline = (int(fields[name]) for name in (b"created", b"seen", b"deadline"))
        return Times((now - created) / 1000, (now - seen) / 1000, (deadline - now) / 1000)
    except (KeyError, ValueError, OverflowError):
        return None
