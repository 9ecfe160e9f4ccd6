"""Servers that ask in the middle of a call and SDK clients of the modern era, through the proxy."""

import json
import warnings
from collections.abc import Iterator
from typing import Annotated

import pytest
from mcp import Client, types
from mcp.server.mcpserver import Elicit, MCPServer, Resolve
from mcp.shared.exceptions import MCPDeprecationWarning

from tests.contract.test_server_requests import QUIET, Name, asking_server
from tests.support.scene import scene
from tests.support.serving import http_backend, serve

MODERN = "2026-07-28"


@pytest.fixture(autouse=True)
def legacy_features_are_wanted() -> Iterator[None]:
    """The SDK warns of what the modern revision has left behind; here it is the matter at hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        yield


class Person:
    """Answers what an SDK client is asked, and notes it."""

    def __init__(self):
        self.asked = []

    async def on_sampling(self, _context, params):
        self.asked.append(params.messages[0].content.text)
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="Paris"), model="m1"
        )

    async def on_elicitation(self, _context, params):
        self.asked.append(params.message)
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def on_roots(self, _context):
        self.asked.append("roots")
        return types.ListRootsResult(roots=[types.Root(uri="file:///home/ada", name="home")])

    def client(self, url):
        return Client(
            url,
            mode=MODERN,
            sampling_callback=self.on_sampling,
            elicitation_callback=self.on_elicitation,
            list_roots_callback=self.on_roots,
        )


def legacy_only(app):
    """The same server as one of before there was the modern era, which refuses a revision that it does not know."""

    async def refusing(scope, receive, send):
        if scope["type"] == "http" and (b"mcp-protocol-version", MODERN.encode()) in scope["headers"]:
            error = {"code": -32600, "message": "Bad Request: Unsupported protocol version"}
            body = json.dumps({"jsonrpc": "2.0", "id": "server-error", "error": error}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": 400, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await app(scope, receive, send)

    return refusing


def resolving_server() -> MCPServer:
    """One whose tool asks twice, each time by the end of the request."""
    server = MCPServer("resolving")

    def who():
        return Elicit("your name?", Name)

    def whom(first: Annotated[Name, Resolve(who)]):
        return Elicit(f"whom do you greet, {first.name}?", Name)

    @server.tool()
    async def greet(word: str, first: Annotated[Name, Resolve(who)], second: Annotated[Name, Resolve(whom)]) -> str:
        return f"{first.name} says {word} to {second.name}"

    return server


@pytest.mark.scenario("P-3", "P-13")
async def test_a_legacy_server_asks_a_client_without_a_session():
    person = Person()
    async with (
        serve(legacy_only(asking_server().streamable_http_app())) as port,
        scene({}, extra=(http_backend("real", port),), config=QUIET) as world,
        person.client(world.url) as client,
    ):
        assert (await client.call_tool("real_greet", {})).content[0].text == "accept: Ada"
        thought = await client.call_tool("real_think", {"question": "capital of France?"})
        assert thought.content[0].text == "m1 says Paris"
        assert (await client.call_tool("real_look", {})).content[0].text == "file:///home/ada"
    assert person.asked == ["your name?", "capital of France?", "roots"]


@pytest.mark.scenario("P-4", "P-13")
async def test_a_modern_server_asks_a_client_of_its_era_round_after_round():
    person = Person()
    async with (
        serve(resolving_server().streamable_http_app()) as port,
        scene({}, extra=(http_backend("real", port),), config=QUIET) as world,
        person.client(world.url) as client,
    ):
        greeted = await client.call_tool("real_greet", {"word": "hi"})
        assert greeted.content[0].text == "Ada says hi to Ada"
        assert (await world.metrics())["vmcp_parked_calls"] == 0
    assert person.asked == ["your name?", "whom do you greet, Ada?"]


@pytest.mark.scenario("P-3", "P-13", "W-1")
@pytest.mark.parametrize("is_modern", [True, False])
async def test_a_composite_tool_and_the_servers_of_its_steps_ask_a_client_without_a_session(is_modern):
    steps = [
        {"id": "sure", "type": "elicitation", "message": "sure?", "schema": {"type": "object"}},
        {"id": "hi", "tool": "real_greet", "arguments": {"word": "hi"} if is_modern else {}, "dependsOn": ["sure"]},
    ]
    tool = {"name": "both", "description": "asks", "parameters": {"type": "object"}, "steps": steps}
    server = resolving_server() if is_modern else asking_server()
    app, person = server.streamable_http_app(), Person()
    async with (
        serve(app if is_modern else legacy_only(app)) as port,
        scene({}, extra=(http_backend("real", port),), config={**QUIET, "compositeTools": [tool]}) as world,
        person.client(world.url) as client,
    ):
        done = await client.call_tool("both", {})
        assert not done.is_error
        assert ("Ada says hi to Ada" if is_modern else "accept: Ada") in str(done.content)
    assert person.asked[0].endswith("sure?")
    assert person.asked[1:] == (["your name?", "whom do you greet, Ada?"] if is_modern else ["your name?"])
