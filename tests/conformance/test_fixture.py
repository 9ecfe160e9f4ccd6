"""The fixture speaks both eras on one URL, or one of them."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests.conformance.fixture.__main__ import in_one_era
from tests.conformance.fixture.server import EXTRA_TOOL, Fixture
from tests.conformance.suite import MODERN
from tests.support.serving import serve

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

ASKS_IN_ROUNDS = "test_input_required_result_multi_round"


async def elicited(_context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
    content: dict[str, Any] = {"name": "Alice", "color": "blue", "username": "alice", "email": "alice@example.com"}
    wanted = params.requested_schema["properties"]
    return types.ElicitResult(action="accept", content={name: content[name] for name in wanted})


@contextlib.asynccontextmanager
async def fixture(mode: str, eras: str = "both") -> AsyncIterator[Client]:
    application = Fixture(crosses=eras != "both").build().streamable_http_app()
    async with (
        serve(application if eras == "both" else in_one_era(application, eras)) as port,
        Client(f"http://127.0.0.1:{port}/mcp", mode=mode, elicitation_callback=elicited) as client,
    ):
        yield client


def said(result: types.CallToolResult) -> str:
    return result.content[0].text


@pytest.mark.parametrize(("mode", "revision"), [("legacy", "2025-11-25"), (MODERN, MODERN)])
async def test_both_eras_are_served_on_one_url(mode, revision):
    async with fixture(mode) as client:
        assert client.protocol_version == revision
        assert said(await client.call_tool("test_simple_text")) == "This is a simple text response for testing."


async def test_a_server_of_both_eras_has_its_asking_tools_for_the_era_they_were_written_for():
    async with fixture("legacy") as client:
        assert said(await client.call_tool("test_elicitation", {"message": "Who?"})).startswith("User response: ")
        with pytest.raises(MCPError, match="cannot ask a client of the legacy era"):
            await client.call_tool(ASKS_IN_ROUNDS)
    async with fixture(MODERN) as client:
        assert said(await client.call_tool(ASKS_IN_ROUNDS)) == "Alice likes blue."
        with pytest.raises(MCPError, match="cannot ask a client of the modern era"):
            await client.call_tool("test_elicitation", {"message": "Who?"})


@pytest.mark.parametrize(("mode", "eras"), [("legacy", "legacy"), (MODERN, "modern")])
async def test_a_server_of_one_era_asks_by_its_means(mode, eras):
    async with fixture(mode, eras) as client:
        assert said(await client.call_tool(ASKS_IN_ROUNDS)) == "Alice likes blue."
        assert said(await client.call_tool("test_elicitation", {"message": "Who?"})).startswith("User response: ")


@pytest.mark.parametrize(("mode", "eras"), [("legacy", "modern"), (MODERN, "legacy")])
async def test_a_server_of_one_era_refuses_the_other(mode, eras):
    with pytest.raises(BaseException):  # noqa: B017 - whatever the client makes of a 400
        async with fixture(mode, eras) as client:
            await client.list_tools()


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_a_trigger_really_changes_the_list(mode):
    async with fixture(mode) as client:
        await client.call_tool("test_trigger_tool_change")
        assert EXTRA_TOOL in [tool.name for tool in (await client.list_tools()).tools]
        await client.call_tool("test_trigger_tool_change")
        assert EXTRA_TOOL not in [tool.name for tool in (await client.list_tools()).tools]
