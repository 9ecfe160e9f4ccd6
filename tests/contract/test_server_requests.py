"""Sampling, elicitation, roots and subscriptions between an SDK server and the SDK's client, through the proxy."""

import warnings
from collections.abc import Iterator

import pytest
from mcp import Client, types
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from pydantic import BaseModel

from tests.support.scene import operational, scene
from tests.support.serving import http_backend, serve

QUIET = operational(timeouts={"list": "10s"})


@pytest.fixture(autouse=True)
def legacy_features_are_wanted() -> Iterator[None]:
    """The SDK warns of what the modern revision has left behind; here it is the matter at hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        yield


class Name(BaseModel):
    name: str


def asking_server() -> MCPServer:
    server = MCPServer("asking")

    @server.tool()
    async def greet(ctx: Context) -> str:
        answer = await ctx.elicit("your name?", Name)
        return f"{answer.action}: {answer.data.name if answer.action == 'accept' else ''}"

    @server.tool()
    async def think(ctx: Context, question: str) -> str:
        message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=question))
        answer = await ctx.session.create_message([message], max_tokens=100)
        return f"{answer.model} says {answer.content.text}"

    @server.tool()
    async def look(ctx: Context) -> str:
        return ", ".join(str(root.uri) for root in (await ctx.session.list_roots()).roots)

    return server


@pytest.mark.scenario("P-1", "P-13")
async def test_an_sdk_server_asks_an_sdk_client_through_the_proxy():
    asked: list[str] = []

    async def on_sampling(_context, params):
        asked.append(params.messages[0].content.text)
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="Paris"), model="m1"
        )

    async def on_elicitation(_context, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def on_roots(_context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///home/ada", name="home")])

    async with (
        serve(asking_server().streamable_http_app()) as port,
        scene({}, extra=(http_backend("real", port),), config=QUIET) as world,
        Client(
            world.url,
            mode="legacy",
            sampling_callback=on_sampling,
            elicitation_callback=on_elicitation,
            list_roots_callback=on_roots,
        ) as client,
    ):
        assert (await client.call_tool("real_greet", {})).content[0].text == "accept: Ada"
        thought = await client.call_tool("real_think", {"question": "capital of France?"})
        assert thought.content[0].text == "m1 says Paris"
        assert (await client.call_tool("real_look", {})).content[0].text == "file:///home/ada"
    assert asked == ["your name?", "capital of France?"]


async def test_an_sdk_server_learns_that_a_client_cannot_be_asked():
    async with (
        serve(asking_server().streamable_http_app()) as port,
        scene({}, extra=(http_backend("real", port),), config=QUIET) as world,
        Client(world.url, mode="legacy") as client,
    ):
        # The SDK's server passes our refusal on as the error of its own call, and we relay that as it is.
        with pytest.raises(MCPError, match="has not declared the capability elicitation"):
            await client.call_tool("real_greet", {})
