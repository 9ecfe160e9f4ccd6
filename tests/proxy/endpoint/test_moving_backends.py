"""A backend whose name moves, or whose certificate is replaced, is followed without a reload."""

import asyncio
import contextlib
import ssl

import pytest
import trustme

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import eventually
from tests.support.relay import Relay
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from tests.support.serving import http_backend
from tests.support.tls_front import tls_front
from vmcp_proxy.http_client.connection import Connection

OLD, NEW = "127.0.0.1", "127.0.0.2"


class Age:
    """Lets every connection be as old as a test says."""

    def __init__(self, monkeypatch):
        self.is_old = False
        monkeypatch.setattr(Connection, "is_old", property(lambda _: self.is_old))


@pytest.fixture
def age(monkeypatch):
    return Age(monkeypatch)


async def called(client):
    result = await client.call("one_echo")
    assert "isError" not in result, result


@contextlib.asynccontextmanager
async def moving(answers):
    """Two servers at one name and port; the answers of the resolver say which of them it means."""
    old, new = ScriptedBackend(), ScriptedBackend()

    async def resolve(host, port):
        assert host == "moving.example"
        return list(answers)

    async with contextlib.AsyncExitStack() as stack:
        for backend in (old, new):
            await stack.enter_async_context(backend.running())
        relay = await stack.enter_async_context(Relay(old.port).running())
        await stack.enter_async_context(Relay(new.port, relay.port, NEW).running())
        world = await stack.enter_async_context(scene({}, config=QUIET))
        stack.enter_context(world.inside.replaced("resolve_host", resolve))
        world.config["backends"] = [http_backend("one", 0, url=f"http://moving.example:{relay.port}/mcp")]
        world.apply()
        yield world, relay, old, new


async def test_a_name_that_moves_while_calls_never_pause_is_followed_and_no_call_fails(age):
    answers = [OLD]
    async with moving(answers) as (world, _, old, new), world.session() as client:
        for _ in range(3):
            await called(client)
        answers[:] = [NEW]
        # What is open is used on: nothing is known to be wrong with it.
        await called(client)
        assert (len(old.calls("tools/call")), len(new.calls("tools/call"))) == (4, 0)
        age.is_old = True
        # The session is not known there: the first call is refused, and sent again in a new one.
        for _ in range(3):
            await called(client)
        assert (len(old.calls("tools/call")), len(new.calls("tools/call"))) == (4, 4)
        assert new.calls("initialize")


async def test_a_name_that_moves_because_its_server_is_gone_is_followed_with_the_next_call():
    answers = [OLD]
    async with moving(answers) as (world, relay, old, new), world.session() as client:
        await called(client)
        answers[:] = [NEW]
        relay.cut()
        async with asyncio.timeout(20):
            # A call on a connection that broke as it was written may have run: it is not sent again.
            while "isError" in await client.call("one_echo"):
                pass
        assert len(old.calls("tools/call")) == 1
        assert new.calls("tools/call")


async def test_of_two_addresses_the_one_that_answers_is_taken():
    answers = ["127.0.0.3", NEW]
    async with moving(answers) as (world, _, old, new), world.session() as client:
        await called(client)
        assert (len(old.calls("tools/call")), len(new.calls("tools/call"))) == (0, 1)


def context_of(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


@pytest.mark.scenario("B-7")
async def test_a_certificate_that_is_replaced_is_followed_and_one_of_a_stranger_is_refused_until_it_is_put_right(age):
    ca, stranger = trustme.CA(), trustme.CA()
    context = context_of(ca.issue_cert("localhost"))
    backend = ScriptedBackend()
    async with backend.running(), tls_front(context, backend.port) as front:
        bundle = {"tls": {"caBundle": ca.cert_pem.bytes().decode()}}
        document = http_backend("one", front.port, url=f"https://localhost:{front.port}/mcp", **bundle)
        async with scene({}, extra=(document,), config=QUIET) as world, world.session() as client:
            await called(client)
            # Its own stream comes through a handshake of its own.
            await eventually(lambda: backend.streams)
            ca.issue_cert("localhost").configure_cert(context)
            age.is_old = True
            shaken = front.handshakes
            for _ in range(3):
                await called(client)
            assert front.handshakes == shaken + 3
            stranger.issue_cert("localhost").configure_cert(context)
            heard = len(backend.calls("tools/call"))
            refused = await client.call("one_echo")
            assert refused["_meta"]["vmcp.dev/category"] == "refused"
            assert "CA bundle" in refused["content"][0]["text"]
            assert len(backend.calls("tools/call")) == heard
            ca.issue_cert("localhost").configure_cert(context)
            await called(client)
            # The session with the backend has outlived all of it: the proxy's own, and the client's.
            assert len(backend.calls("initialize")) == 2
