"""What the Python SDK 1.30 makes of the statuses that this endpoint answers in mid-session (ADR-0050).

It has no time limit of its own: an answer that it cannot read is a call that never ends.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.auth.oidc.helpers import Door, door, introspecting
from tests.support.idp.acts import says
from tests.support.peers import python_of
from tests.support.raw_client import eventually
from tests.support.scene import operational
from tests.support.scripted_backend import text

CLIENT = Path(__file__).resolve().parents[1] / "peers" / "sdk_client.py"
SCOPE = "mcp"
LIMIT_BYTES = 100_000
HANG_SECONDS = 60.0

pytestmark = [pytest.mark.scenario("P-13"), pytest.mark.timeout(180)]


class Program:
    """The client in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def heard(self) -> dict[str, Any]:
        async with asyncio.timeout(HANG_SECONDS):
            return json.loads(await self._process.stdout.readline())

    async def does(self, **order: Any) -> dict[str, Any]:
        """Has it do something; what came of it, or what ended it."""
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        return await self.heard()

    async def leaves(self) -> list[str]:
        """What its connection ended with; nothing where it could say goodbye."""
        self._process.stdin.close()
        return (await self.heard())["ended"]


@contextlib.asynccontextmanager
async def program(it: Door, token: str) -> AsyncIterator[Program]:
    """A client that is through the handshake."""
    python = await asyncio.to_thread(python_of, "mcp-1.30")
    process = await asyncio.create_subprocess_exec(
        python,
        CLIENT,
        it.world.url,
        token,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        client = Program(process)
        assert await client.heard() == {"text": ""}
        yield client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def busy_program() -> AsyncIterator[tuple[Door, Program, asyncio.Event]]:
    """A client with a call in flight, which is answered when the event is set."""
    release = asyncio.Event()
    config = {"config": operational(limits={"requestBody": LIMIT_BYTES})}
    async with door(auth=introspecting, scopes=[SCOPE], config=config) as it:

        @it.backend.on("tools/call")
        async def _answer(call):
            if "waits" in call.params["arguments"]:
                await release.wait()
            return text("answered")

        async with program(it, it.idp.opaque("alice", scope=SCOPE)) as client:
            await client.does(begin="one_echo")
            await eventually(lambda: it.backend.calls("tools/call"))
            yield it, client, release


async def test_a_provider_that_is_away_for_a_moment_costs_the_client_one_call_and_not_its_connection():
    async with busy_program() as (it, client, release):
        it.idp.acts["introspect"] = says(503)
        await client.does(token=it.idp.opaque("alice", scope=SCOPE))
        refused = {"raised": "McpError", "message": "Access tokens cannot be checked now; try again."}
        assert await client.does(call="one_echo") == refused
        it.idp.acts.clear()
        release.set()
        assert await client.does(wait=True) == {"text": "answered"}
        assert await client.does(call="one_echo") == {"text": "answered"}
        assert await client.leaves() == []


@pytest.mark.parametrize(
    ("order", "token", "ended"),
    [
        ({"call": "one_echo"}, {"scope": "other"}, "HTTPStatusError: Client error '403 Forbidden'"),
        ({"call": "one_echo"}, {"aud": "another"}, "HTTPStatusError: Client error '401 Unauthorized'"),
        ({"call": "one_echo", "letters": LIMIT_BYTES}, {}, "HTTPStatusError: Client error '413 "),
    ],
)
async def test_what_cannot_be_answered_as_a_call_ends_the_connection_with_its_status_and_leaves_nothing_waiting(
    order, token, ended
):
    async with busy_program() as (it, client, release):
        await client.does(token=it.idp.opaque("alice", **{"scope": SCOPE, **token}))
        (said,) = (await client.does(**order))["ended"]
        assert said.startswith(ended)
        release.set()


async def test_a_session_that_is_not_there_fails_the_call_and_no_other():
    async with busy_program() as (it, client, release):
        alice = it.idp.opaque("alice", scope=SCOPE)
        await client.does(token=it.idp.opaque("bob", scope=SCOPE))
        assert await client.does(call="one_echo") == {"raised": "McpError", "message": "Session terminated"}
        await client.does(token=alice)
        release.set()
        assert await client.does(wait=True) == {"text": "answered"}
        assert await client.leaves() == []


async def test_a_notification_that_is_refused_ends_the_connection_and_leaves_nothing_waiting():
    async with busy_program() as (it, client, release):
        await client.does(token="invented")
        await client.does(notify="roots")
        await eventually(lambda: len(it.idp.requests("introspect")) == 2)
        assert await client.does(wait=True) == {"raised": "McpError", "message": "Connection closed"}
        assert (await client.does(call="one_echo"))["raised"] == "ClosedResourceError"
        assert await client.leaves() == []
        release.set()
