"""Whatever a backend falls silent at, a call ends with its own time, and the next one is served."""

import asyncio
import contextlib
import json

import pytest

from tests.proxy.backends.helpers import HELLO, SETTINGS, Recorder, peer, within
from tests.support.old_server import OldServer
from tests.support.raw_client import eventually
from tests.support.raw_server import RawServer, answer_to
from vmcp_proxy.backends.credentials import NO_CREDENTIALS
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import OWN_TERMS
from vmcp_proxy.backends.link import Link
from vmcp_proxy.backends.sse.backend import SseBackend
from vmcp_proxy.backends.streamable import HttpBackend
from vmcp_proxy.http_client import ClientLimits, HttpClient

BOUND = 0.3
CEILING = 20.0
"""Far below what the waits that are no call's own are set to here, and far above the bound."""


@pytest.fixture(autouse=True)
def _own_waits_are_long(monkeypatch):
    for place in (
        "streamable.session._FAREWELL_SECONDS",
        "streamable.session._PING_SECONDS",
        "sse.session._SEND_SECONDS",
    ):
        monkeypatch.setattr(f"vmcp_proxy.backends.{place}", 60.0)


class Silent(RawServer):
    """Serves `echo`; while `falls_silent` is set it answers no message of that method."""

    def __init__(self) -> None:
        super().__init__(self._handle)
        self.falls_silent = ""
        self.refusal: tuple[int, bytes] | None = None
        self.version = HELLO["protocolVersion"]

    async def _handle(self, asked):
        if self.falls_silent in (asked.method or asked.verb, "everything"):
            await asyncio.Event().wait()
        elif asked.method == "initialize":
            await asked.result(HELLO | {"protocolVersion": self.version}, mcp_session_id="s")
        elif asked.method == "tools/call" and self.refusal is not None:
            await asked.status(*self.refusal)
        elif asked.method == "tools/call":
            await asked.result(answer_to(0, "here")["result"])
        else:
            await asked.status(202)


async def nothing(_link, _session):
    pass


@contextlib.asynccontextmanager
async def linked(server, kind=HttpBackend, opened=nothing):
    client = HttpClient(ClientLimits())
    try:
        async with server.running(), asyncio.TaskGroup() as tasks:
            made = kind("one", peer(server.port), client, SETTINGS, tasks)
            yield Link(made, OWN_TERMS, opened)
            await made.aclose()
            # What still is under way beside calls ends with it.
            await client.aclose()
    finally:
        await client.aclose()


async def call(link, seconds=CEILING):
    body = b'{"name":"echo"}'
    answer = await link.request("tools/call", lambda _: body, NO_CREDENTIALS, within(seconds), Recorder())
    return json.loads(bytes(answer.result))["content"][0]["text"]


async def category_of(link):
    """Why a call with little time gets no answer."""
    async with asyncio.timeout(CEILING):
        with pytest.raises(BackendError) as failed:
            await call(link, BOUND)
    return failed.value.category


@pytest.mark.scenario("B-3")
@pytest.mark.parametrize("method", ["initialize", "notifications/initialized", "tools/call"])
async def test_a_call_ends_in_time_whichever_message_is_not_answered(method):
    server = Silent()
    async with linked(server) as link:
        server.falls_silent = method
        assert await category_of(link) is Category.TIMEOUT
        server.falls_silent = ""
        assert await call(link) == "here"


@pytest.mark.scenario("B-3")
async def test_those_who_wait_for_the_session_meanwhile_are_served_as_soon_as_it_can_be_had():
    server = Silent()
    async with linked(server) as link:
        server.falls_silent = "notifications/initialized"
        first = asyncio.create_task(category_of(link))
        await eventually(lambda: server.of("POST", "notifications/initialized"))
        second = asyncio.create_task(call(link))
        server.falls_silent = ""
        assert await first is Category.TIMEOUT
        assert await second == "here"


async def test_a_call_ends_in_time_where_nobody_says_whether_the_session_is_lost():
    server = Silent()
    async with linked(server) as link:
        assert await call(link) == "here"
        server.refusal, server.falls_silent = (400, b"no"), "ping"
        assert await category_of(link) is Category.REFUSED
        server.refusal = None
        assert await call(link) == "here"


async def test_a_call_ends_in_time_where_the_end_of_a_useless_session_is_not_taken():
    server = Silent()
    async with linked(server) as link:
        server.version, server.falls_silent = "1999-01-01", "DELETE"
        assert await category_of(link) is Category.PROTOCOL
        await eventually(lambda: server.of("DELETE"))


async def test_a_call_ends_in_time_while_what_belongs_to_its_session_is_restored_and_the_session_stands():
    async def restored(_link, _session):
        await asyncio.Event().wait()

    server = Silent()
    async with linked(server, opened=restored) as link:
        assert await category_of(link) is Category.TIMEOUT
        assert await call(link) == "here"
    assert len(server.of("POST", "initialize")) == 1


async def test_a_call_ends_in_time_where_a_server_of_the_first_transport_takes_no_notification():
    old = OldServer()
    usual = old.on_post

    async def post(asked):
        if asked.method == "notifications/initialized":
            await asyncio.Event().wait()
        await usual(asked)

    old.on_post = post
    async with linked(old.server, SseBackend) as link:
        assert await category_of(link) is Category.TIMEOUT
