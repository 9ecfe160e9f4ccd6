"""Programs of both protocols behind clients of both (ADR-0060)."""

import json
import sys
from pathlib import Path

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.raw_client import RawClient
from tests.support.scene import scene
from vmcp_proxy.protocol.methods import Era

PROGRAM = Path(__file__).parents[2] / "support" / "modern_program.py"


SESSIONS_ALONE = """
import json, sys
open(sys.argv[1], "a").write("x")
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = {
        "initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                       "serverInfo": {"name": "s", "version": "1"}},
        "tools/list": {"tools": [{"name": "old", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "served"}]},
        "ping": {},
    }[message["method"]]
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""
"""Dies of an unknown request, as some do."""


def program(which: str) -> dict[str, object]:
    command = [sys.executable, "-u", str(PROGRAM), which]
    return {"name": "one", "kind": "MCPServerEntry", "transport": "stdio", "command": command}


def said(answer: dict) -> dict:
    return json.loads(answer["content"][0]["text"])


@pytest.mark.scenario("P-3")
async def test_a_program_that_knows_no_sessions_serves_clients_with_sessions_by_one_process():
    async with (
        scene({}, config=QUIET, extra=(program("modern"),)) as world,
        world.client() as client,
        world.session() as other,
    ):
        await client.open({"elicitation": {}})
        assert await client.names() == ["one_new"]
        async with client.posting("tools/call", {"name": "one_new", "arguments": {"ask": True}}) as stream:
            [request] = await stream.until("elicitation/create")
            reply = {"jsonrpc": "2.0", "id": request["id"], "result": {"action": "accept", "content": {}}}
            assert (await client.post(reply)).status_code == 202
            first = said((await stream.answer())["result"])
        second = said(await other.call("one_new"))
        assert first["replies"] == {"name": {"action": "accept", "content": {}}}
        assert (first["declared"], second["declared"]) == ({"elicitation": {}}, {})
        assert first["pid"] == second["pid"]
        [described] = (await world.status())["backends"]
        assert (described["revision"], described["status"]) == ("2026-07-28", "healthy")


@pytest.mark.scenario("P-17")
async def test_a_program_of_both_protocols_runs_once_for_each():
    async with (
        scene({}, config=QUIET, extra=(program("both"),)) as world,
        world.session() as client,
        RawClient(world.url, era=Era.MODERN) as modern,
    ):
        assert await client.names() == ["one_old"]
        former = said(await client.call("one_old"))
        assert former["declared"] is None
        assert await modern.names() == ["one_new"]
        newer = said(await modern.call("one_new"))
        assert newer["declared"] == {}
        assert newer["pid"] != former["pid"]
        assert said(await client.call("one_old"))["pid"] == former["pid"]
        [described] = (await world.status())["backends"]
        assert described["revision"] == "2025-11-25, 2026-07-28"


@pytest.mark.scenario("P-4")
async def test_a_program_that_knows_sessions_alone_serves_clients_without_one(tmp_path):
    started = tmp_path / "started"
    command = [sys.executable, "-u", "-c", SESSIONS_ALONE, str(started)]
    config = {"name": "one", "kind": "MCPServerEntry", "transport": "stdio", "command": command}
    async with (
        scene({}, config=QUIET, extra=(config,)) as world,
        RawClient(world.url, era=Era.MODERN) as modern,
        RawClient(world.url, era=Era.MODERN) as other,
    ):
        assert await modern.names() == ["one_old"]
        assert (await modern.call("one_old"))["content"] == [{"type": "text", "text": "served"}]
        assert (await other.call("one_old"))["content"] == [{"type": "text", "text": "served"}]
    # The one that serves, and one to find out that it dies of what it does not know.
    assert started.read_text() == "xx"
