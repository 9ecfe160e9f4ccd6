"""Redirects stay within the origin."""

import pytest

from tests.proxy.http_client.servers import OK, Exchange, answering, fetch, raw_server
from vmcp_proxy.http_client import RedirectRefused

pytestmark = pytest.mark.scenario("B-5")
SECRET = (b"authorization", b"Bearer canary-6f1d")


def redirect(status, location):
    return b"HTTP/1.1 %d R\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, location)


def routing(routes):
    """Answer by request target."""

    async def handler(exchange: Exchange) -> None:
        while (request := await exchange.read_request()) is not None:
            await exchange.send(routes.get(request.split(b" ")[1], OK))

    return handler


@pytest.mark.parametrize("status", [307, 308])
async def test_307_and_308_repeat_method_headers_and_body_on_the_same_connection(client, status):
    async with raw_server(routing({b"/mcp": redirect(status, b"/mcp/")})) as server:
        assert await fetch(client, server.peer(), headers=(SECRET,), body=b"12345") == (200, b"ok")
        first, second = server.requests
        assert second == first.replace(b"/mcp ", b"/mcp/ ")
        assert server.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_get_follows_every_redirect(client, status):
    async with raw_server(routing({b"/mcp": redirect(status, b"other?x=y")})) as server:
        assert await fetch(client, server.peer(), b"GET", body=None) == (200, b"ok")
        assert server.requests[1].startswith(b"GET /other?x=y ")


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("method", [b"POST", b"DELETE"])
async def test_a_redirect_that_would_make_a_get_of_a_message_is_refused_and_says_what_to_do(client, method, status):
    location = b"/login?token=canary"
    async with raw_server(routing({b"/mcp": redirect(status, location)})) as server:
        with pytest.raises(RedirectRefused, match=f"HTTP status {status}.*correct the URL") as caught:
            await fetch(client, server.peer(), method)
        assert "canary" not in str(caught.value)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [300, 304, 305])
async def test_a_post_gets_other_redirects_as_its_answer(client, status):
    async with raw_server(routing({b"/mcp": redirect(status, b"/other")})) as server:
        assert (await fetch(client, server.peer()))[0] == status
        assert len(server.requests) == 1


async def test_an_absolute_location_in_the_origin_is_followed(client):
    routes = {}
    async with raw_server(routing(routes)) as server:
        routes[b"/mcp"] = redirect(307, b"http://127.0.0.1:%d/x#f" % server.port)
        assert await fetch(client, server.peer()) == (200, b"ok")


async def test_another_origin_never_sees_a_byte(client):
    async with raw_server(answering(OK)) as other:
        port = other.port
        for location in (
            b"http://127.0.0.1:%d/mcp" % port,
            b"//127.0.0.1:%d/mcp" % port,
            b"http://localhost:%d/" % port,
            b"https://127.0.0.1:%d/" % port,
        ):
            async with raw_server(routing({b"/mcp": redirect(307, location)})) as server:
                with pytest.raises(RedirectRefused, match="another origin") as caught:
                    await fetch(client, server.peer(), headers=(SECRET,))
                assert str(port) not in str(caught.value)
        assert other.connections == 0
        assert other.requests == []


@pytest.mark.parametrize("location", [b"http://u:p@127.0.0.1/", b"ftp://x/", b"http://[", b"\xff\xfe", b"http://a b/"])
async def test_a_location_that_cannot_be_read_is_refused(client, location):
    async with raw_server(routing({b"/mcp": redirect(307, location)})) as server:
        with pytest.raises(RedirectRefused):
            await fetch(client, server.peer())


async def test_a_redirect_without_location_is_the_answer(client):
    async with raw_server(answering(b"HTTP/1.1 307 R\r\nContent-Length: 2\r\n\r\nno")) as server:
        assert await fetch(client, server.peer()) == (307, b"no")


async def test_a_circle_ends_after_five_redirects(client):
    async with raw_server(answering(redirect(307, b"/mcp"))) as server:
        with pytest.raises(RedirectRefused, match="more than 5"):
            await fetch(client, server.peer())
        assert len(server.requests) == 6


async def test_a_redirect_with_an_unfinished_body_costs_its_connection(client):
    open_ended = b"HTTP/1.1 307 R\r\nLocation: /x\r\nContent-Length: 500000\r\n\r\nabc"
    async with raw_server(routing({b"/mcp": open_ended})) as server:
        assert await fetch(client, server.peer()) == (200, b"ok")
        assert server.connections == 2
