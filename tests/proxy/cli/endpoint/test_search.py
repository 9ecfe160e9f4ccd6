"""`vmcp tools --search` and `vmcp call` of what is not listed: with the endpoint's search, another's, or none."""

import asyncio
import json
import re

import pytest
from mcp.server import MCPServer

from tests.proxy.cli.commands import call_vmcp
from tests.support.serving import http_backend, load, running, serve, url_of
from vmcp_proxy.cli.exits import Exit

TEXTS = {
    "send_mail": "Send an e-mail message to somebody.",
    "list_issues": "List the issues of a repository.",
    "open_issue": "Open a new issue in a repository.",
    "convert_units": "Convert a length from one unit into another.",
}


def build_backend():
    server = MCPServer("b", log_level="CRITICAL")

    def build(name):
        def act(count: int = 1) -> str:
            return f"{name} {count}"

        return act

    for name, text in TEXTS.items():
        server.add_tool(build(name), name=name, description=text)
    return server


@pytest.fixture
def vmcp(capsys):
    """The command in a thread beside the endpoint that this test serves."""

    async def run(*arguments):
        return await asyncio.to_thread(call_vmcp, capsys, *arguments)

    return run


@pytest.fixture
async def served(request):
    """The endpoint with the settings of tool search that the test asks for."""
    config = {"optimizer": request.param} if request.param else {}
    async with (
        serve(build_backend().streamable_http_app()) as port,
        running(load({"backends": [http_backend("b", port)], "config": config})) as proxy,
    ):
        yield url_of(proxy)


def first_words(text):
    return [re.split(r"  +", line)[0] for line in text.splitlines()]


@pytest.mark.scenario("T-2")
@pytest.mark.parametrize(
    ("served", "how"),
    [
        (None, "the endpoint lists all its tools; ranked here by words and vectors"),
        ({"threshold": 0}, "found by find_tool of the endpoint"),
    ],
    indirect=["served"],
)
async def test_tools_are_found_for_people_where_the_endpoint_searches_and_where_it_does_not(served, how, vmcp):
    done = await vmcp("tools", served, "--search", "open an issue")
    assert done.code == Exit.OK, done.err
    assert done.err == f"vmcp: {how}\n"
    assert first_words(done.out)[:3] == ["TOOL", "b_open_issue", "b_list_issues"]
    whole = json.loads((await vmcp("tools", served, "--search", "open an issue", "-o", "json")).out)
    assert whole[0]["name"] == "b_open_issue"
    assert whole[0]["inputSchema"]["properties"]["count"]["type"] == "integer"
    assert not {"rank", "score", "weak", "backend"} & whole[0].keys()
    wide = await vmcp("tools", served, "--search", "open an issue", "-o", "wide")
    assert "[count:integer]" in wide.out


@pytest.mark.parametrize("served", [{"threshold": 0}], indirect=True)
async def test_a_list_under_tool_search_says_how_to_find_the_others(served, vmcp):
    done = await vmcp("tools", served)
    assert first_words(done.out) == ["TOOL", "call_tool", "find_tool"]
    assert done.err == 'vmcp: more tools than these are found by: vmcp tools --search "WORDS"\n'


@pytest.mark.parametrize("served", [None, {"threshold": 0}], indirect=True)
async def test_a_tool_is_called_by_its_name_with_arguments_by_its_schema_whether_it_is_listed_or_not(served, vmcp):
    done = await vmcp("call", served, "b_send_mail", "--arg", "count=2")
    assert (done.code, done.out) == (Exit.OK, "send_mail 2\n"), done.err
    done = await vmcp("call", served, "b_send_mail", "--arg", "conut=2")
    assert done.code == Exit.USAGE
    assert "did you mean 'count'?" in done.err
    done = await vmcp("call", served, "b_send_mial")
    assert done.code == Exit.FAILED
    assert "there is no tool 'b_send_mial'; did you mean 'b_send_mail'?" in done.err


@pytest.mark.parametrize("as_text", [False, True])
async def test_an_endpoint_of_toolhive_is_asked_by_its_own_argument(vmcp, as_text):
    server = MCPServer("theirs", log_level="CRITICAL")

    @server.tool(structured_output=not as_text)
    def find_tool(tool_description: str, tool_keywords: list[str] | None = None) -> dict[str, list[dict[str, str]]]:
        return {"tools": [{"name": "found", "description": f"For {tool_description}."}, {"name": "other"}]}

    @server.tool()
    def call_tool(tool_name: str) -> str:
        return tool_name

    async with serve(server.streamable_http_app()) as port:
        done = await vmcp("tools", f"http://127.0.0.1:{port}/mcp", "--search", "mail")
    assert done.code == Exit.OK, done.err
    assert first_words(done.out) == ["TOOL", "found", "other"]
    assert "For mail." in done.out


async def test_a_search_that_fails_is_told_in_the_endpoints_words(vmcp):
    server = MCPServer("theirs", log_level="CRITICAL")

    @server.tool()
    def find_tool(query: str) -> str:
        return f"no idea of {query}"

    @server.tool()
    def call_tool(name: str) -> str:
        return name

    async with serve(server.streamable_http_app()) as port:
        done = await vmcp("tools", f"http://127.0.0.1:{port}/mcp", "--search", "mail")
    assert done.code == Exit.FAILED
    assert "find_tool answers: no idea of mail" in done.err
