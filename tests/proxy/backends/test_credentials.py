"""Credentials at the link: fetched where there are none, renewed once where a backend refuses them, else an error."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

import pytest

from tests.proxy.backends.helpers import SETTINGS, Recorder, peer, within
from tests.support.raw_client import eventually
from tests.support.scripted_backend import ScriptedBackend, Status
from vmcp_proxy.backends.credentials import NO_CREDENTIALS, PassthroughCredentials, StaticCredentials
from vmcp_proxy.backends.errors import BackendError, Category, CredentialsRefusedError
from vmcp_proxy.backends.interface import OWN_TERMS
from vmcp_proxy.backends.link import Link
from vmcp_proxy.backends.sse.backend import SseBackend
from vmcp_proxy.backends.streamable import HttpBackend
from vmcp_proxy.headerforward import Collision, HeaderSnapshot
from vmcp_proxy.http_client import ClientLimits, HttpClient

pytestmark = pytest.mark.scenario("H-3")


class Tokens:
    """Hands out one token after the other, as a token endpoint would; nothing while `gate` is closed."""

    def __init__(self, *tokens):
        self.tokens = list(tokens)
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.headers = None

    def current(self):
        return self.headers

    async def fetch(self, deadline):
        self.fetches += 1
        await self.gate.wait()
        if self.headers is None:
            self.headers = ((b"Authorization", f"Bearer {self.tokens.pop(0)}".encode()),)
        return self.headers

    def refused(self, used):
        if used is self.headers:
            self.headers = None
        return bool(self.tokens)


@dataclass
class Guarded(ScriptedBackend):
    """Takes no request without one of its tokens, and remembers which tokens it was shown for which request."""

    good: set[str] = field(default_factory=set)
    header: str = "authorization"
    status: int = 401
    shown: list[tuple[str, str]] = field(default_factory=list)
    ran: int = 0

    async def _answer(self, heard, reader, write):
        token = heard.headers.get(self.header, "").removeprefix("Bearer ")
        self.shown.append((heard.method or heard.verb, token))
        if token not in self.good:
            raise Status(self.status, {"www-authenticate": 'Bearer error="invalid_token"'})
        self.ran += heard.method == "tools/call"
        await super()._answer(heard, reader, write)

    def tokens_for(self, method):
        return [token for asked, token in self.shown if asked == method]


@contextlib.asynccontextmanager
async def link_to(server, kind=HttpBackend):
    async def opened(_link, _session):
        return

    client = HttpClient(ClientLimits())
    try:
        async with server.running(), asyncio.TaskGroup() as tasks:
            yield Link(kind("one", peer(server.port), client, SETTINGS, tasks), OWN_TERMS, opened)
    finally:
        await client.aclose()


async def call(link, credentials, deadline=None):
    body = b'{"name":"echo"}'
    answer = await link.request("tools/call", lambda _: body, credentials, deadline or within(), Recorder())
    return json.loads(bytes(answer.result))["content"][0]["text"]


async def test_what_is_not_at_hand_is_fetched_before_anything_is_sent_and_used_from_then_on():
    server, tokens = Guarded(good={"first"}), Tokens("first")
    async with link_to(server) as link:
        assert await call(link, tokens) == "called echo"
        assert await call(link, tokens) == "called echo"
    assert tokens.fetches == 1
    assert {token for _, token in server.shown} == {"first"}


async def test_refused_credentials_are_renewed_once_and_the_request_that_did_not_run_is_sent_again():
    server, tokens = Guarded(good={"first"}), Tokens("first", "second")
    async with link_to(server) as link:
        await call(link, tokens)
        server.good = {"second"}
        assert await call(link, tokens) == "called echo"
    assert server.tokens_for("tools/call") == ["first", "first", "second"]
    assert server.tokens_for("initialize") == ["first"], "the session goes on under the new token"
    assert (server.ran, tokens.fetches) == (2, 2)


async def test_credentials_that_are_refused_twice_are_an_error():
    server, tokens = Guarded(good={"first"}), Tokens("first", "second", "third")
    async with link_to(server) as link:
        await call(link, tokens)
        server.good = {"none"}
        with pytest.raises(CredentialsRefusedError) as caught:
            await call(link, tokens)
    assert caught.value.category is Category.AUTH
    assert caught.value.status == 401
    assert server.tokens_for("tools/call") == ["first", "first", "second"]
    assert server.ran == 1


async def test_a_handshake_that_is_refused_is_begun_again_with_other_credentials():
    server, tokens = Guarded(good={"second"}), Tokens("first", "second", "third")
    async with link_to(server) as link:
        assert await call(link, tokens) == "called echo"
        assert server.tokens_for("initialize") == ["first", "second"]
        server.good = {"third"}
        tokens.headers = None
        assert (await link.opened(tokens, within())) is link.session
    assert server.tokens_for("tools/call") == ["second"]


async def test_a_session_that_is_lost_and_credentials_that_have_ended_heal_in_one_call():
    server, tokens = Guarded(good={"first"}), Tokens("first", "second")
    async with link_to(server) as link:
        await call(link, tokens)
        server.forget_sessions()
        server.good = {"second"}
        assert await call(link, tokens) == "called echo"
    assert server.tokens_for("initialize") == ["first", "second"]
    assert server.ran == 3, "counts the one that came in the forgotten session, too"


async def test_a_403_renews_nothing():
    server, tokens = Guarded(good={"first"}, status=403), Tokens("first", "second")
    async with link_to(server) as link:
        await call(link, tokens)
        server.good = {"second"}
        with pytest.raises(BackendError) as caught:
            await call(link, tokens)
    assert (caught.value.category, caught.value.status) == (Category.AUTH, 403)
    assert not isinstance(caught.value, CredentialsRefusedError)
    assert server.tokens_for("tools/call") == ["first", "first"]


@pytest.mark.parametrize(
    "credentials",
    [
        StaticCredentials.of((("x-api-key", b"old"),)),
        PassthroughCredentials.of(HeaderSnapshot([("X-Api-Key", b"old")]), ()),
    ],
)
async def test_what_a_config_or_a_client_wrote_is_never_sent_twice(credentials):
    server = Guarded(good={"old"}, header="x-api-key")
    async with link_to(server) as link:
        await call(link, credentials)
        server.good = {"new"}
        with pytest.raises(CredentialsRefusedError):
            await call(link, credentials)
    assert server.tokens_for("tools/call") == ["old", "old"]


async def test_a_stream_of_the_session_is_opened_again_with_other_credentials():
    server, tokens = Guarded(good={"first"}), Tokens("first", "second")
    async with link_to(server) as link:
        await call(link, tokens)
        server.good = {"second"}
        listening = asyncio.create_task(link.listen(tokens, Recorder(), within()))
        await eventually(lambda: server.streams)
        assert server.tokens_for("GET") == ["first", "second"]
        listening.cancel()
        await asyncio.wait((listening,))


async def test_requests_that_are_refused_at_the_same_time_share_what_is_fetched():
    server, tokens = Guarded(good={"first"}), Tokens("first", "second", "third")
    async with link_to(server) as link:
        await call(link, tokens)
        server.good = {"second"}
        assert await asyncio.gather(*(call(link, tokens) for _ in range(5))) == ["called echo"] * 5
    assert tokens.tokens == ["third"]
    assert server.ran == 6
    assert server.tokens_for("tools/call").count("second") == 5


async def test_a_fetch_is_waited_for_within_the_deadline_of_the_call_and_nothing_is_sent_without_it():
    server, tokens = Guarded(good={"first"}), Tokens("first")
    tokens.gate.clear()
    async with link_to(server) as link:
        with pytest.raises(BackendError) as caught:
            await call(link, tokens, within(0.05))
        assert caught.value.category is Category.TIMEOUT
        assert "credentials" in str(caught.value)
        assert server.heard == []
        tokens.gate.set()
        assert await call(link, tokens) == "called echo"


async def test_a_call_that_is_cancelled_while_it_waits_for_credentials_sends_nothing_and_holds_up_nobody():
    server, tokens = Guarded(good={"first"}), Tokens("first")
    tokens.gate.clear()
    async with link_to(server) as link:
        given_up, patient = (asyncio.create_task(call(link, tokens)) for _ in range(2))
        await eventually(lambda: tokens.fetches == 2)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert server.heard == []
        tokens.gate.set()
        assert await patient == "called echo"
        await asyncio.wait_for(link.idle(), 30)


async def test_a_link_that_is_ended_cuts_off_the_wait_for_credentials_too():
    server, tokens = Guarded(good={"first"}), Tokens("first")
    tokens.gate.clear()
    async with link_to(server) as link:
        calling = asyncio.create_task(call(link, tokens))
        await eventually(lambda: tokens.fetches == 1)
        link.end()
        with pytest.raises(BackendError) as caught:
            await calling
        assert caught.value.category is Category.ENDED
        assert server.heard == []


async def test_the_end_of_a_session_is_told_with_credentials_that_are_fetched_for_it():
    server, tokens = Guarded(good={"first", "second"}), Tokens("first", "second")
    async with link_to(server) as link:
        await call(link, tokens)
        tokens.headers = None
        await link.close(tokens)
    assert server.tokens_for("DELETE") == ["second"]
    assert not server.sessions


async def test_a_session_ends_here_where_its_credentials_are_not_to_be_had(monkeypatch):
    server, tokens = Guarded(good={"first"}), Tokens("first")
    monkeypatch.setattr("vmcp_proxy.backends.link._FAREWELL_SECONDS", 0.05)
    async with link_to(server) as link:
        await call(link, tokens)
        tokens.headers = None
        tokens.gate.clear()
        await link.close(tokens)
        assert link.session is None
    assert server.tokens_for("DELETE") == [""]


async def test_an_old_server_that_refuses_the_stream_gets_other_credentials_as_well():
    server, tokens = Guarded(good={"none"}), Tokens("first", "second")
    async with link_to(server, SseBackend) as link:
        with pytest.raises(CredentialsRefusedError):
            await link.opened(tokens, within())
    assert server.tokens_for("GET") == ["first", "second"]


def test_a_header_from_two_sources_makes_no_credentials():
    snapshot = HeaderSnapshot([("X-Api-Key", b"of the client")])
    assert PassthroughCredentials.of(snapshot, (("x-api-key", b"of the config"),)) == Collision("X-Api-Key")


def test_credentials_show_no_value():
    credentials = PassthroughCredentials.of(HeaderSnapshot([("X-Api-Key", b"canary")]), (("Other", b"canary"),))
    assert "canary" not in repr(credentials)
    assert credentials.current() is credentials.current()
    assert NO_CREDENTIALS.current() == ()
