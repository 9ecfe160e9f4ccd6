"""`vmcp tools` and `vmcp call` against a real endpoint, and against none."""

import asyncio
import json
import re

import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from benchmarks.ports import free_port
from tests.proxy.cli.commands import call_vmcp, run_vmcp
from tests.support.serving import http_backend, load, running, serve, url_of
from vmcp_proxy.cli.endpoint import conversation as client_module
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.cli.output import align, clean

pytestmark = pytest.mark.scenario("D-5")


def build_backend():
    server = MCPServer("b", log_level="CRITICAL")

    @server.tool()
    async def count(steps: int, ctx: Context) -> str:
        """Count up.

        More that a table does not show.
        """
        for step in range(1, steps + 1):
            await ctx.report_progress(step, steps, f"step {step}")
        return f"counted to {steps}"

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ValueError("on purpose")

    @server.tool()
    def key(ctx: Context) -> str:
        """Show the key."""
        return (ctx.headers or {}).get("x-api-key", "none")

    return server


@pytest.fixture
async def url():
    async with serve(build_backend().streamable_http_app()) as port:
        loaded = load({"backends": [http_backend("b", port)], "passthroughHeaders": ["X-Api-Key"]})
        async with running(loaded) as proxy:
            yield url_of(proxy)


@pytest.fixture
def vmcp(capsys):
    """The command in a thread beside the endpoint that this test serves."""

    async def run(*arguments):
        return await asyncio.to_thread(call_vmcp, capsys, *arguments)

    return run


async def test_tools_are_plain_text_in_a_pipe_and_json_for_programs(url, vmcp):
    done = await asyncio.to_thread(run_vmcp, "tools", url)
    assert done.code == Exit.OK, done.err
    lines = [re.split(r"  +", line) for line in done.out.splitlines()]
    assert lines == [["TOOL", "DESCRIPTION"], ["b_count", "Count up."], ["b_fail", "Fail."], ["b_key", "Show the key."]]
    done = await vmcp("tools", url, "-o", "json")
    tools = {tool["name"]: tool for tool in json.loads(done.out)}
    assert tools["b_count"]["inputSchema"]["properties"]["steps"]["type"] == "integer"


async def test_a_call_prints_its_result_and_shows_its_progress_beside_it(url, vmcp):
    done = await vmcp("call", url, "b_count", "--arg", "steps=2")
    assert (done.code, done.out) == (Exit.OK, "counted to 2\n")
    assert done.err.splitlines() == ["[1/2] step 1", "[2/2] step 2"]


async def test_a_result_that_is_an_error_goes_to_stderr_and_fails(url, vmcp):
    done = await vmcp("call", url, "b_fail")
    assert (done.code, done.out) == (Exit.FAILED, "")
    assert done.err == "Error executing tool fail\n"


async def test_headers_are_sent_and_the_whole_result_is_there_for_programs(url, vmcp):
    done = await vmcp("call", url, "b_key", "--json", "{}", "--header", "X-Api-Key: token-4711", "-o", "json")
    assert done.code == Exit.OK
    assert json.loads(done.out)["content"][0]["text"] == "token-4711"


async def test_arguments_and_tools_that_do_not_exist_are_answered_with_what_does(url, vmcp):
    done = await vmcp("call", url, "b_count", "--arg", "stepps=2")
    assert done.code == Exit.USAGE
    assert "did you mean 'steps'?" in done.err
    done = await vmcp("call", url, "b_cuont")
    assert done.code == Exit.FAILED
    assert "there is no tool 'b_cuont'; did you mean 'b_count'?" in done.err


def test_an_endpoint_that_is_not_there_is_named_with_a_question(capsys):
    url = f"http://user:token-4711@127.0.0.1:{free_port()}/mcp?key=token-4711"
    done = call_vmcp(capsys, "tools", url)
    assert done.code == Exit.UNAVAILABLE
    assert re.search(r"cannot connect to http://127\.0\.0\.1:\d+/mcp; is `vmcp serve` running there\?", done.err)
    assert "token-4711" not in done.err


async def test_a_refusal_is_told_with_its_status_and_a_remedy(url, vmcp):
    done = await vmcp("tools", url.replace("/mcp", "/mpc"))
    assert done.code == Exit.UNAVAILABLE
    assert "refused the session with HTTP 404" in done.err
    assert "check the path of the URL" in done.err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("call", "b_secret"), "`vmcp explain b_secret`"),
        (("call", "b; reboot"), "`vmcp explain 'b; reboot'`"),
        (("read", "test://gone"), "`vmcp explain --kind resource test://gone`"),
    ],
)
async def test_a_name_that_is_listed_nowhere_leads_to_explain_for_it_may_be_hidden_or_denied(
    url, vmcp, arguments, command
):
    done = await vmcp(arguments[0], url, *arguments[1:])
    assert done.code == Exit.FAILED
    assert command in done.err


async def test_a_slash_too_many_does_no_harm(url, vmcp):
    done = await vmcp("tools", f"{url}/")
    assert done.code == Exit.OK, done.err


@pytest.mark.parametrize("end", ["", "/"])
async def test_a_url_without_a_path_is_said_to_lack_it(url, vmcp, end):
    done = await vmcp("tools", url.removesuffix("/mcp") + end)
    assert done.code == Exit.UNAVAILABLE
    assert done.err.endswith("check the path of the URL; it usually ends in /mcp\n")


async def test_a_search_for_nothing_is_a_wrong_command_line(url, vmcp):
    done = await vmcp("tools", url, "--search", " ")
    assert done.code == Exit.USAGE
    assert "is empty; say in a few words what the tools are for" in done.err


async def test_the_scheme_of_a_url_may_be_in_capitals(url, vmcp):
    done = await vmcp("tools", url.replace("http", "HTTP"))
    assert done.code == Exit.OK, done.err


def test_a_host_name_that_cannot_be_one_is_no_internal_error(capsys):
    done = call_vmcp(capsys, "tools", f"http://{'a' * 64}.example/mcp")
    assert done.code == Exit.UNAVAILABLE
    assert "internal error" not in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("call",), "Missing argument"),
        (("call", "a", "b"), "Give [URL] TOOL"),
        (("call", "http://localhost/mcp"), "Give [URL] TOOL"),
        (("call", "t", "--arg", "a=1", "--json", "{}"), "not both"),
        (("call", "t", "--json", "{a: 1}"), "--json is no JSON (Expecting property name"),
        (("call", "t", "--json", "[1]"), "--json must be an object"),
        (("call", "t", "--json", '{"f": 1e400}'), "the number 1e400 is too large"),
        (("call", "t", "--json", '{"f": [-Infinity]}'), "--json is no JSON (-Infinity is no number"),
        (("tools", "localhost:4483"), "The URL must look like"),
        (("tools", "http://[::1/mcp"), "The URL must look like"),
        (("tools", "http://:80/mcp"), "The URL must look like"),
        (("tools", "http://127.0.0.1:99999/mcp"), "The port of the URL must be a number from 1 to 65535"),
        (("tools", "http://127.0.0.1:0/mcp"), "The port of the URL must be"),
        (("tools", "http://127.0.0.1:x/mcp"), "The port of the URL must be"),
        (("tools", "--header", "token-4711"), "--header number 1 is no header"),
        (("tools", "--header", "K: a\nb: token-4711"), "--header number 1 is no header"),
    ],
)
def test_a_wrong_command_line_is_told_without_what_may_be_secret(capsys, arguments, said):
    done = call_vmcp(capsys, *arguments)
    assert done.code == Exit.USAGE
    assert said in done.err
    assert "token-4711" not in done.err


def test_headers_show_in_no_repr():
    assert "token-4711" not in repr(client_module.parse_endpoint("http://x/mcp", ["K: token-4711"]))


def test_text_of_a_backend_cannot_steer_a_terminal_and_columns_stand_under_one_another():
    assert clean("a\x1b[2Jb\tc") == "a [2Jb c"
    assert align([["A", "B"], ["long", "x"]]) == ["A     B", "long  x"]
