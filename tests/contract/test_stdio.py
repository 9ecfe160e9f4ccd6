"""Programs as backends: they die, babble, and are started again."""

import sys
import textwrap

import pytest

from tests.support.raw_client import eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend

PROGRAM = """
import json, os, sys

def say(message):
    sys.stdout.write(json.dumps(message) + "\\n")
    sys.stdout.flush()

TOOLS = [{"name": name, "inputSchema": {"type": "object"}}
         for name in ("pid", "die", "babble", "env", "slow", "ask", "change")]

for line in sys.stdin:
    message = json.loads(line)
    method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
    if number is None or method is None:
        if method == "notifications/cancelled":
            say({"jsonrpc": "2.0", "id": params["requestId"] , "result": {}})
        continue
    result = {}
    if method == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {"listChanged": True}},
                  "serverInfo": {"name": "p", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": TOOLS}
    elif method == "tools/call":
        name = params["name"]
        if name == "die":
            os._exit(3)
        if name == "slow":
            continue
        if name == "babble":
            sys.stdout.write("this is no JSON\\n[]\\n\\n{\\"jsonrpc\\":\\"2.0\\",\\"id\\":true,\\"result\\":{}}\\n")
            sys.stdout.write('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":'
                             + "9" * 5000 + ',"progress":1}}\\n')
            sys.stdout.write('{"jsonrpc":"2.0","id":' + "9" * 400 + ',"result":{}}\\n')
            say({"jsonrpc": "2.0", "id": 999999, "result": {}})
        if name == "ask":
            say({"jsonrpc": "2.0", "id": "q", "method": "ping"})
        if name == "change":
            TOOLS.append({"name": "new", "inputSchema": {"type": "object"}})
            say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        token = (params.get("_meta") or {}).get("progressToken")
        if token is not None:
            say({"jsonrpc": "2.0", "method": "notifications/progress",
                 "params": {"progressToken": token, "progress": 1}})
        said = str(os.getpid()) if name != "env" else json.dumps(dict(os.environ))
        result = {"content": [{"type": "text", "text": said}]}
    say({"jsonrpc": "2.0", "id": number, "result": result})
"""


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return {
        "name": "local",
        "kind": "MCPServer",
        "transport": "stdio",
        "command": [sys.executable, str(path)],
        "env": {"GIVEN": "yes"},
    }


def said(result):
    return result["content"][0]["text"]


@pytest.mark.scenario("B-1")
async def test_a_program_that_died_fails_that_call_only_and_is_started_again(program):
    async with scene({}, extra=(program,)) as world, world.session() as client:
        first = said(await client.call("local_pid"))
        assert said(await client.call("local_pid")) == first
        died = await client.call("local_die")
        assert died["isError"]
        assert died["_meta"] == {"vmcp.dev/backend": "local", "vmcp.dev/category": "not_running"}
        again = await client.call("local_pid")
        assert "isError" not in again, again
        assert said(again) != first
        async with world.session() as other:
            assert said(await other.call("local_pid")) == said(again)


@pytest.mark.scenario("X-1")
async def test_a_program_that_babbles_harms_neither_its_call_nor_the_proxy(program):
    async with scene({}, extra=(program,)) as world, world.session() as client:
        first = said(await client.call("local_pid"))
        assert said(await client.call("local_babble")) == first
        assert said(await client.call("local_ask")) == first
        assert said(await client.call("local_pid")) == first


async def test_a_program_gets_a_minimal_environment_and_nobodys_headers(program, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_PROXY", "x")
    async with (
        scene({}, extra=(program,), passthroughHeaders=["X-Api-Key"]) as world,
        world.session(x_api_key="canary") as client,
    ):
        environment = said(await client.call("local_env"))
    assert '"GIVEN": "yes"' in environment
    assert "SECRET_OF_THE_PROXY" not in environment
    assert "canary" not in environment


@pytest.mark.scenario("A-14")
async def test_progress_timeouts_and_list_changes_of_a_program_reach_the_client(program):
    config = operational(timeouts={"default": "500ms"})
    async with scene({}, extra=(program,), config=config) as world, world.session() as client:
        await client.names()
        await client.call("local_pid", _meta={"progressToken": "mine"})
        assert [each["params"]["progressToken"] for each in client.said] == ["mine"]
        slow = await client.call("local_slow")
        assert slow["_meta"]["vmcp.dev/category"] == "timeout"
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)
            await client.call("local_change")
            await stream.until("notifications/tools/list_changed")
            assert "local_new" in await client.names()


async def test_a_program_that_does_not_exist_costs_its_own_entries_only(program):
    missing = {**program, "name": "missing", "command": ["/nonexistent/program"]}
    async with scene({}, extra=(missing, program)) as world, world.session() as client:
        listed = await client.result("tools/list")
        assert listed["_meta"]["vmcp.dev/serverOutcomes"]["missing"]["status"] == "not_running"
        assert "local_pid" in {each["name"] for each in listed["tools"]}


@pytest.mark.scenario("X-1")
@pytest.mark.parametrize(
    ("odd", "place"),
    [
        ({"command": ["\ud800"]}, "word 1 of its command"),
        ({"command": ["true", "a\0b"]}, "word 2 of its command"),
        ({"env": {"A": "canary\0b"}}, "its variable A"),
        ({"cwd": "a\0b"}, "its folder"),
    ],
    ids=["half a character", "NUL in an argument", "NUL in a variable", "NUL in the folder"],
)
async def test_a_program_that_can_not_even_be_started_costs_its_own_entries_only_and_says_why(odd, place):
    program = {"name": "odd", "kind": "MCPServer", "transport": "stdio", "network": "local", "command": ["true"], **odd}
    async with scene({"one": ScriptedBackend()}, extra=(program,)) as world, world.session() as client:
        assert await client.names() == ["one_echo"]
        (state,) = [each for each in (await world.status())["backends"] if each["name"] == "odd"]
        assert state["status"] == "unhealthy"
        assert f"{place} holds" in state["message"]
        assert "canary" not in state["message"]
