"""The Redis of the examples: what it holds, and what is sent to it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import redis.asyncio

from e2e.support.kube import Kube
from e2e.support.network import tunnel


@dataclass(frozen=True, slots=True)
class Redis:
    """An administrator's connection."""

    client: Any

    @classmethod
    @asynccontextmanager
    async def connected(cls, kube: Kube) -> AsyncIterator[Self]:
        """The Redis of a namespace."""
        data = json.loads(kube.kubectl("get", "secret/redis", "--output=jsonpath={.data}"))
        password = base64.b64decode(data["password"]).decode()
        async with (
            tunnel(f"redis.{kube.namespace}.svc", 6379) as port,
            redis.asyncio.Redis(host="127.0.0.1", port=port, password=password) as client,
        ):
            yield cls(client)

    async def delete_sessions(self) -> int:
        """Forgets every session; how many keys that were."""
        keys = [key async for key in self.client.scan_iter("vmcp:session:*")]
        return await self.client.delete(*keys) if keys else 0

    @asynccontextmanager
    async def listening(self, commands: list[str]) -> AsyncIterator[None]:
        """Notes every command that Redis is sent while the block runs, by whomever."""
        async with self.client.monitor() as monitor:
            task = asyncio.create_task(_note(monitor, commands))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def contents(self) -> bytes:
        """Every key with its whole value, one after the other."""
        found = [key + b" " + await self._value(key) async for key in self.client.scan_iter("*")]
        return b"\n".join(found)

    async def _value(self, key: bytes) -> bytes:
        match await self.client.type(key):
            case b"hash":
                return repr(await self.client.hgetall(key)).encode()
            case b"string":
                return await self.client.get(key) or b""
            case b"set":
                return repr(await self.client.smembers(key)).encode()
            case b"zset":
                return repr(await self.client.zrange(key, 0, -1)).encode()
            case other:
                raise AssertionError(f"{other!r}: nobody has looked into such a value yet")


async def _note(monitor: Any, commands: list[str]) -> None:
    async for command in monitor.listen():
        commands.append(command["command"])  # noqa: PERF401 - seen while the stream goes on
