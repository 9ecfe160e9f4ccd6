"""What the proxy's own commands cost a real redis-server: memory, processor time, bytes on the wire."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.fleet.figures import Command, RedisFigures
from benchmarks.redis_server import RedisServer
from vmcp_api.config.sessions import StorageConfig
from vmcp_api.spec.sessions import StorageProvider
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.limits.bucket import Terms, Use
from vmcp_proxy.limits.redis import RedisLimiter
from vmcp_proxy.redis_client.service import build_service
from vmcp_proxy.sessions.keyed.ids import SessionDigest, SessionIds
from vmcp_proxy.sessions.keyed.sealing import seal
from vmcp_proxy.sessions.store.protocol import End, Times, Touch
from vmcp_proxy.sessions.store.record import SessionRecord
from vmcp_proxy.sessions.store.redis import RedisStore

_SCOPE: Final = "default/everything"
_TTL: Final = 1800.0
_LIFETIME: Final = 86400.0
_TOKEN: Final = b'{"server":"0123456789abcdef","id":"%b","version":"2025-11-25","offers":["logging","tools"]}' % (
    b"a" * 36
)
"""What reopens a session at a backend, as the proxy writes it."""

_BATCH: Final = 250
"""Sessions that one tick of a pod writes: 3 000 sessions in use, each once a minute, five seconds between ticks."""

_LIMITED: Final = 16
"""Calls that wait for their tokens at the same time."""

_MESSAGE: Final = b"m" * 600
"""An answer of a client, sealed, on its way to another pod."""


@dataclass(frozen=True, slots=True)
class _State:
    """What a server says of itself: seconds of processor time, bytes that came, that went, and that it holds."""

    cpu: float
    came: int
    went: int
    held: int


def measure(folder: Path, count: int = 20_000) -> RedisFigures:
    """The figures of a redis-server that is started for this, and of nothing else.

    Raises:
        TimeoutError: it does not listen.
    """
    server = RedisServer(folder)
    server.start()
    try:
        return asyncio.run(_Bench(server, count).figures())
    finally:
        server.stop()


class _Bench:
    def __init__(self, server: RedisServer, count: int) -> None:
        self._server = server
        self._count = count
        keyring = Keyring.random()
        ids = SessionIds(keyring)
        self._digests: list[SessionDigest] = [
            digest for _ in range(count) if (digest := ids.digest_of(ids.mint())) is not None
        ]
        self._keyring = keyring
        document = {"provider": StorageProvider.REDIS, "address": server.address}
        self._service = build_service(StorageConfig.model_validate(document))
        self._store = RedisStore(self._service, _SCOPE)

    async def figures(self) -> RedisFigures:
        """Each command in turn, on the sessions that the first one has made."""
        empty = await self._state()
        opened = await self._each(self._open)
        reopened = await self._each(self._remember)
        full = await self._state()
        touched = await self._batches(self._touch)
        async with asyncio.TaskGroup() as tasks:
            limiter = RedisLimiter(self._service, _SCOPE, tasks)
            users = itertools.count()
            limited = await self._together(lambda: self._limit(limiter, next(users) % 1000))
        published = await self._each(lambda _: self._publish())
        before = await self._state()
        ended = await self._batches(self._end)
        after = await self._state()
        await self._service.link.aclose()
        return RedisFigures(
            record_bytes=(full.held - empty.held) / self._count,
            tombstone_bytes=(full.held - empty.held + after.held - before.held) / self._count,
            create=opened,
            remember=reopened,
            touch=touched,
            limit=limited,
            publish=published,
            end=ended,
        )

    async def _open(self, digest: SessionDigest) -> None:
        record = SessionRecord(secrets.token_bytes(32), secrets.token_bytes(32), "2025-11-25", b'{"roots":{}}')
        await self._store.create(digest.hex, record, Times(0.0, 0.0, _LIFETIME), _TTL)

    async def _remember(self, digest: SessionDigest) -> None:
        await self._store.put_backend(digest.hex, "github", seal(self._keyring, digest, "github", _TOKEN))

    async def _touch(self, digests: list[SessionDigest]) -> None:
        await self._store.touch([Touch(digest.hex, 1.0) for digest in digests], _TTL)

    async def _end(self, digests: list[SessionDigest]) -> None:
        await self._store.end([End(digest.hex, _LIFETIME) for digest in digests])

    async def _limit(self, limiter: RedisLimiter, user: int) -> None:
        terms = Terms(1_000_000, 1000)
        await limiter.take((Use("shared:1000000/1000", terms), Use(f"user:{user:032x}:1000000/1000", terms)))

    async def _publish(self) -> None:
        await self._store.publish("0123456789abcdef", _MESSAGE)

    async def _each(self, act: Callable[[SessionDigest], Awaitable[None]]) -> Command:
        before = await self._state()
        for part in self._parts(_LIMITED):
            await asyncio.gather(*(act(digest) for digest in part))
        return self._cost(before, await self._state())

    async def _batches(self, act: Callable[[list[SessionDigest]], Awaitable[None]]) -> Command:
        before = await self._state()
        for part in self._parts(_BATCH):
            await act(part)
        return self._cost(before, await self._state())

    async def _together(self, act: Callable[[], Awaitable[None]]) -> Command:
        """Sixteen callers, each of which asks again as soon as it has its answer."""

        async def again() -> None:
            for _ in range(self._count // _LIMITED):
                await act()

        before = await self._state()
        await asyncio.gather(*(again() for _ in range(_LIMITED)))
        return self._cost(before, await self._state())

    def _parts(self, size: int) -> list[list[SessionDigest]]:
        return [self._digests[begin : begin + size] for begin in range(0, self._count, size)]

    def _cost(self, before: _State, after: _State) -> Command:
        count = self._count
        return Command(
            cpu_us=(after.cpu - before.cpu) / count * 1e6,
            in_bytes=(after.came - before.came) / count,
            out_bytes=(after.went - before.went) / count,
        )

    async def _state(self) -> _State:
        info = await asyncio.to_thread(self._server.info)
        return _State(
            float(info["used_cpu_user"]) + float(info["used_cpu_sys"]),
            int(info["total_net_input_bytes"]),
            int(info["total_net_output_bytes"]),
            int(info["used_memory"]),
        )
