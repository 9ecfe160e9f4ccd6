"""Servers that ask in the middle of a call and SDK clients of the modern era, through the proxy."""

import warnings
from collections.abc import Iterator

import pytest
from mcp import Client, types
from mcp.shared.exceptions import MCPDeprecationWarning

from tests.contract.test_server_requests import QUIET, asking_server
from tests.support.scene import scene
from tests.support.serving import http_backend, serve


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

    def client(self, url, mode="2026-07-28"):
        return Client(
            url,
            mode=mode,
            sampling_callback=self.on_sampling,
            elicitation_callback=self.on_elicitation,
            list_roots_callback=self.on_roots,
        )


@pytest.mark.scenario("P-3", "P-13")
async def test_a_legacy_server_asks_a_client_without_a_session():
    person = Person()
    async with (
        serve(asking_server().streamable_http_app()) as port,
        scene({}, extra=(http_backend("real", port),), config=QUIET) as world,
        person.client(world.url) as client,
    ):
        assert (await client.call_tool("real_greet", {})).content[0].text == "accept: Ada"
        thought = await client.call_tool("real_think", {"question": "capital of France?"})
        assert thought.content[0].text == "m1 says Paris"
        assert (await client.call_tool("real_look", {})).content[0].text == "file:///home/ada"
    assert person.asked == ["your name?", "capital of France?", "roots"]
