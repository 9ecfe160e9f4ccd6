"""Requests without a session whose head comes again: what is known of the one before serves the next, and no other."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.eras import modern
from tests.support.raw_client import WAIT_SECONDS
from tests.support.scene import scene
from vmcp_proxy.auth.identity import ANONYMOUS
from vmcp_proxy.clients.stateless.client import StatelessClient
from vmcp_proxy.clients.stateless.clients import StatelessClients, known_client
from vmcp_proxy.core.calls.hearing import Hearing
from vmcp_proxy.core.policy.reach import Reach
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT
from vmcp_proxy.protocol.modern.envelope import Envelope

ENVELOPE = Envelope(b"{}")


def envelope() -> dict[str, object]:
    return modern({})["params"]["_meta"]


class Caller:
    """One connection, on which each request comes in one piece."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._url = urlsplit(url)
        self._reader, self._writer = reader, writer

    async def call(self, meta: dict[str, object], *fields: str, name: str = "one_echo") -> dict[str, object]:
        params = {"name": name, "arguments": {}, "_meta": meta}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        lines = (
            f"POST {self._url.path} HTTP/1.1",
            f"host: {self._url.netloc}",
            "content-type: application/json",
            "accept: application/json, text/event-stream",
            "mcp-protocol-version: 2026-07-28",
            "mcp-method: tools/call",
            "mcp-name: one_echo",
            *fields,
            f"content-length: {len(body)}",
        )
        self._writer.write("\r\n".join((*lines, "", body)).encode())
        async with asyncio.timeout(WAIT_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            return json.loads(await self._reader.readexactly(length))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Caller]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Caller(url, reader, writer)
    finally:
        writer.close()


@pytest.mark.scenario("P-8")
async def test_of_meta_a_backend_gets_what_is_not_the_envelope_whatever_came_before():
    backend = everything()
    more = (
        {},
        {},
        {"x-own": 1},
        {},
        {"progressToken": 7},
        {"progressToken": 8},
        {},
        {"VMCP.dev/x": 1, "vmcp.dev/x": 1},
        {},
    )
    async with scene({"one": backend}, config=QUIET) as world, connected(world.url) as caller:
        for each in more:
            assert "result" in await caller.call({**envelope(), **each})
    sent = [heard.message["params"].get("_meta") for heard in backend.calls("tools/call")]
    assert [None if each is None else sorted(each) for each in sent] == [
        None,
        None,
        ["x-own"],
        None,
        ["progressToken"],
        ["progressToken"],
        None,
        ["VMCP.dev/x"],
        None,
    ]


@pytest.mark.scenario("P-8")
async def test_a_body_that_contradicts_its_head_is_refused_after_one_that_repeats_it():
    async with scene({"one": everything()}, config=QUIET) as world, connected(world.url) as caller:
        for _ in range(3):
            assert "result" in await caller.call(envelope())
            assert (await caller.call(envelope(), name="one_other"))["error"]["code"] == -32020
            other = {**envelope(), "io.modelcontextprotocol/protocolVersion": "2031-01-01"}
            assert (await caller.call(other))["error"]["code"] == -32020


@pytest.mark.scenario("H-11", "X-4")
async def test_the_same_head_is_served_for_another_client_once_its_own_has_given_way_or_may_send_other_headers():
    backend, field = everything(), "x-api-key: a"
    settings = {"maxSessionsPerPod": 1}
    async with (
        scene({"one": backend}, config=QUIET, passthroughHeaders=["X-Api-Key"], sessionManagement=settings) as world,
        connected(world.url) as caller,
        connected(world.url) as other,
    ):
        for _ in range(3):
            await caller.call(envelope(), field)
        await other.call(envelope())
        (left,) = world.inside.stateless
        assert not left.snapshot
        await caller.call(envelope(), field)
        (held,) = world.inside.stateless
        assert held.snapshot.items() == (("X-Api-Key", b"a"),)
        assert not held.calls
        world.apply(passthroughHeaders=["X-Other"])
        await caller.call(envelope(), field)
    sent = [heard.headers.get("x-api-key") for heard in backend.calls("tools/call")]
    assert sent == ["a", "a", "a", None, "a", None]


def other_identity(client, identity, snapshot, stated):
    return type(ANONYMOUS)("anonymous", "anonymous"), snapshot, stated


def other_headers(client, identity, snapshot, stated):
    return identity, type(EMPTY_SNAPSHOT)([("X-Api-Key", b"a")]), stated


def other_envelope(client, identity, snapshot, stated):
    return identity, snapshot, Envelope(b'{"roots":{}}')


def over(client: StatelessClient, identity, snapshot, stated):
    client.is_over = True
    return identity, snapshot, stated


@pytest.mark.scenario("X-4", "H-11")
@pytest.mark.parametrize("changed", [other_identity, other_headers, other_envelope, over])
async def test_a_known_client_serves_the_next_request_of_the_same_and_nobody_else(changed):
    async with asyncio.TaskGroup() as tasks:
        clients = StatelessClients(tasks, Hearing(Reach()), lambda _backend, _reason: None)
        client = clients.begin(ANONYMOUS, EMPTY_SNAPSHOT, ENVELOPE.capabilities, 0.0)
        known = known_client(client, EMPTY_SNAPSHOT, ENVELOPE)
        assert clients.begin_again(known, ANONYMOUS, EMPTY_SNAPSHOT, ENVELOPE, 0.1) is client
        assert (client.calls, client.last_used) == (2, 0.1)
        # It is put behind the others as by any look-up.
        assert clients.begin_again(known, ANONYMOUS, EMPTY_SNAPSHOT, ENVELOPE, 1.1) is None
        assert clients.begin_again(known, *changed(client, ANONYMOUS, EMPTY_SNAPSHOT, ENVELOPE), 0.2) is None
        assert client.calls == 2
