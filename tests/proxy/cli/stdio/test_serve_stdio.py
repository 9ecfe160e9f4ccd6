"""`vmcp serve --stdio` as the client sees it that starts it."""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CreateMessageResult, TextContent

from tests.proxy.cli.commands import EXAMPLE, endpoint, run_vmcp, server, write
from tests.support import eras, forked

pytestmark = pytest.mark.scenario("D-6")

SECONDS = 50.0
NOISY = """
import os, sys
from vmcp_proxy.cli import example_server
def say(message, inner=example_server.answer):
    os.system('echo stray from a child of the program')
    return inner(message)
example_server.answer = say
open(sys.argv[1], 'w').write(str(os.getpid()))
example_server.main()
"""
ASKING = """
from mcp.server.mcpserver import Context, MCPServer
from mcp.server import runner
from mcp_types import SamplingMessage, TextContent
# It knows sessions alone: a tool that asks in the middle of a call works in no other protocol (ADR-0060).
runner._has_modern_envelope = lambda params: False
server = MCPServer("asking")
@server.tool()
async def ask(question: str, ctx: Context) -> str:
    await ctx.report_progress(1, 2, "asked")
    text = SamplingMessage(role="user", content=TextContent(type="text", text=question))
    answer = await ctx.session.create_message([text], max_tokens=9)
    return answer.content.text
server.run("stdio")
"""
WAITING = """
import asyncio, sys
from mcp.server.mcpserver import Context, MCPServer
server = MCPServer("waiting")
@server.tool()
async def forever(ctx: Context) -> str:
    try:
        await ctx.report_progress(1, 2, "begun")
        await asyncio.sleep(3600)
    finally:
        open(sys.argv[1], "w").close()
server.run("stdio")
"""
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "t", "version": "1"},
}


def server_file(folder: Path, **servers) -> Path:
    file = folder / "mcp.json"
    entries = {name: {"command": command[0], "args": command[1:]} for name, command in servers.items()}
    file.write_text(json.dumps({"mcpServers": entries}))
    return file


class Typed:
    """A client that writes bytes and reads lines."""

    def __init__(self, process):
        self.process = process

    def send(self, *messages):
        for message in messages:
            self.process.stdin.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")

    async def next(self, request_id=...):
        """The next message, or the next with an id."""
        async with asyncio.timeout(SECONDS):
            while True:
                line = await self.process.stdout.readline()
                assert line, "stdout ended"
                message = json.loads(line)
                if request_id is ... or message.get("id") == request_id:
                    return message

    async def ask(self, request_id, method, **params):
        self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return await self.next(request_id)

    async def begin(self):
        await self.ask("hello", "initialize", **HELLO)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})


@contextlib.asynccontextmanager
async def started(*arguments):
    async with forked.running("serve", "--stdio", *arguments, stdin=forked.PIPE, stdout=forked.PIPE) as process:
        errors = asyncio.create_task(process.stderr.read())
        try:
            yield Typed(process)
        finally:
            process.stdin.close()
            async with asyncio.timeout(SECONDS):
                await process.wait()
            process.errors = (await errors).decode()


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_the_sdks_client_lists_and_calls_over_stdio_and_is_asked_by_a_backend(tmp_path, mode):
    file = server_file(tmp_path, ex=EXAMPLE, asking=[sys.executable, "-c", ASKING])
    asked, steps = [], []

    async def sample(context, params):
        asked.append(params.messages[0].content.text)
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text="42"), model="m")

    async def step(progress, total, message):
        steps.append((progress, total, message))

    command = ["-m", "vmcp_proxy", "serve", "--stdio", "--mcp-config", str(file)]
    with (tmp_path / "errors").open("w") as errors:
        transport = stdio_client(StdioServerParameters(command=sys.executable, args=command), errlog=errors)
        async with Client(transport, mode=mode, sampling_callback=sample) as client:
            assert (client.protocol_version == eras.MODERN) is (mode != "legacy")
            answer = await client.call_tool("asking_ask", {"question": "what?"}, progress_callback=step)
            assert answer.content[0].text == "42"
            assert (await client.call_tool("ex_echo", {"text": "hi"})).content[0].text == "hi"
            assert {tool.name for tool in (await client.list_tools()).tools} >= {"ex_echo", "asking_ask"}
    assert asked == ["what?"]
    assert steps == [(1, 2, "asked")]
    assert "Traceback" not in (tmp_path / "errors").read_text()


async def test_a_client_of_the_modern_era_cancels_by_a_notification_and_hears_no_more_of_the_call(tmp_path):
    file = server_file(tmp_path, wait=[sys.executable, "-c", WAITING, str(tmp_path / "cancelled")])
    async with started("--mcp-config", str(file)) as client:
        call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "wait_forever"}}
        client.send(eras.modern({**call, "params": {**call["params"], "_meta": {"progressToken": "p"}}}))
        assert (await client.next())["params"]["progressToken"] == "p"
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
        listed = eras.modern({"jsonrpc": "2.0", "id": 8, "method": "tools/list"})
        client.send(listed)
        assert (await client.next())["id"] == 8
        async with asyncio.timeout(SECONDS):
            while not (tmp_path / "cancelled").exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
        client.send(listed)
        assert (await client.next())["id"] == 8


async def test_manifests_are_served_as_well_and_edits_reach_the_client(tmp_path):
    file = tmp_path / "v.yaml"
    write(file, *endpoint(sessionStorage={"provider": "redis", "address": "127.0.0.1:1"}), server("one"))
    async with started("-f", str(file)) as client:
        await client.begin()
        assert (await client.ask(1, "tools/call", name="one_echo", arguments={"text": "x"}))["result"]
        listed = await client.ask(2, "tools/list")
        assert [tool["name"] for tool in listed["result"]["tools"]] == ["one_add", "one_echo"]
        tools = [{"workload": "one", "filter": ["echo"]}]
        write(file, *endpoint(config={"aggregation": {"tools": tools}}), server("one"))
        while (await client.next()).get("method") != "notifications/tools/list_changed":
            continue
        listed = await client.ask(3, "tools/list")
        assert [tool["name"] for tool in listed["result"]["tools"]] == ["one_echo"]


@pytest.mark.scenario("T-6")
async def test_tools_are_searched_over_stdio_as_well(tmp_path):
    file = tmp_path / "v.yaml"
    write(file, *endpoint(config={"optimizer": {"threshold": 1}}), server("one"))
    async with started("-f", str(file)) as client:
        await client.begin()
        listed = await client.ask(1, "tools/list")
        assert [tool["name"] for tool in listed["result"]["tools"]] == ["call_tool", "find_tool"]
        found = await client.ask(2, "tools/call", name="find_tool", arguments={"query": "echo a text"})
        wanted = {"name": found["result"]["structuredContent"]["tools"][0]["name"], "arguments": {"text": "x"}}
        assert wanted["name"] == "one_echo"
        assert (await client.ask(3, "tools/call", name="call_tool", arguments=wanted))["result"]["content"]


async def test_what_is_no_message_gets_an_error_and_the_process_lives(tmp_path):
    async with started("--mcp-config", str(server_file(tmp_path, ex=EXAMPLE))) as client:
        assert "initialize" in (await client.ask(0, "tools/list"))["error"]["message"]
        await client.begin()
        for bad in (b"{nonsense\n", b'{"jsonrpc":"2.0","id":1,"method":"a\xff"}\n', b"\x00\n", b"\xef\xbb\xbf\n"):
            client.send(bad)
            assert (await client.next(None))["error"]["code"] == -32700
        client.send(b"\n", b"  \r\n")
        huge = {"jsonrpc": "2.0", "id": 5, "method": "ping", "params": {"x": "x" * (9 << 20)}}
        client.send(huge)
        assert "at most" in (await client.next(5))["error"]["message"]
        # Nothing is answered to what wants no answer, known or not.
        client.send({"jsonrpc": "2.0", "method": "no/such"}, {"jsonrpc": "2.0", "id": 77, "result": {}})
        assert await client.ask("6", "ping") == {"jsonrpc": "2.0", "id": "6", "result": {}}


async def test_large_answers_arrive_whole_while_the_client_reads_late(tmp_path):
    text = "ä" * (1 << 20)
    async with started("--mcp-config", str(server_file(tmp_path, ex=EXAMPLE))) as client:
        await client.begin()
        calls = range(1, 4)
        for number in calls:
            params = {"name": "ex_echo", "arguments": {"text": text}}
            client.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
        answers = [await client.next() for _ in calls]
        assert {answer["id"] for answer in answers} == set(calls)
        assert all(answer["result"]["content"][0]["text"] == text for answer in answers)


@pytest.mark.parametrize("how", ["eof", "sigterm"])
async def test_it_ends_with_its_programs_and_only_messages_stood_on_stdout(tmp_path, how):
    pid_file = tmp_path / "pid"
    file = server_file(tmp_path, noisy=[sys.executable, "-c", NOISY, str(pid_file)])
    async with started("--mcp-config", str(file), "--audit", "--log-level", "debug") as client:
        await client.begin()
        assert "result" in await client.ask(1, "tools/call", name="noisy_echo", arguments={"text": "x"})
        if how == "eof":
            client.process.stdin.close()
        else:
            client.process.terminate()
        async with asyncio.timeout(SECONDS):
            rest = await client.process.stdout.read()
            assert await client.process.wait() == 0
        assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
    assert "tools/call" in client.process.errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


async def test_a_cancelled_call_gets_no_result(tmp_path):
    async with started("--mcp-config", str(server_file(tmp_path, ask=[sys.executable, "-c", ASKING]))) as client:
        await client.ask("hello", "initialize", **HELLO | {"capabilities": {"sampling": {}}})
        client.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        params = {"name": "ask_ask", "arguments": {"question": "?"}}
        client.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        async with asyncio.timeout(SECONDS):
            while (await client.next()).get("method") != "sampling/createMessage":
                continue
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        answer = await client.next(1)
        assert "error" in answer


def test_options_of_the_network_do_not_go_with_it(tmp_path):
    ended = run_vmcp("serve", "--stdio", "--port", "0", "--mcp-config", str(server_file(tmp_path, ex=EXAMPLE)))
    assert (ended.code, ended.out) == (2, "")
    assert "--port does not go with --stdio" in ended.err
