"""Lua scripts, sent by their digests: Redis keeps the texts from the first run to its restart or `SCRIPT FLUSH`."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from redis.exceptions import NoScriptError

from vmcp_proxy.redis_client.connect import RedisClient

Argument: TypeAlias = str | bytes | int


class Script:
    """A Lua script; each node of a Cluster, and each new master, learns its text when it is first asked to run it."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.digest: Final = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: RedisClient, keys: Sequence[str], *arguments: Argument) -> Any:
        """The answer; the keys are in one slot of a Cluster. Raises what redis-py raises."""
        operands = (len(keys), *keys, *arguments)
        try:
            return await client.execute_command("EVALSHA", self.digest, *operands)
        except NoScriptError:
            return await client.execute_command("EVAL", self.text, *operands)

    async def run_each(self, client: RedisClient, calls: Sequence[tuple[str, ...]]) -> Sequence[Any]:
        """The answers to calls, each of one key and its arguments, in one round trip; some may be run twice.

        Raises what redis-py raises, the first error of any of them.
        """
        try:
            return await _pipelined(client, "EVALSHA", self.digest, calls)
        except NoScriptError:
            # Some may have been run, on other nodes of a Cluster or where the text came in between.
            return await _pipelined(client, "EVAL", self.text, calls)

    def __repr__(self) -> str:
        return f"Script({self.digest})"


async def _pipelined(client: RedisClient, command: str, script: str, calls: Sequence[tuple[str, ...]]) -> Sequence[Any]:
    pipeline = client.pipeline(transaction=False)
    for call in calls:
        pipeline.execute_command(command, script, 1, *call)
    answers: Sequence[Any] = await pipeline.execute()
    return answers
