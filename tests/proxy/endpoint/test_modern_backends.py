"""Backends of the revision without sessions, behind clients with sessions (ADR-0060)."""

import asyncio
import json
from typing import Any

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.modern_backend import META, MODERN, ModernBackend, refused
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import Scene, operational, scene
from tests.support.scripted_backend import OFFERS, Call, Refusal, ScriptedBackend, Status, text, tool
from vmcp_proxy.protocol.methods import Era

REGION = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


def modern(world: Scene) -> RawClient:
    return RawClient(world.url, era=Era.MODERN)


def everything(**more: Any) -> ModernBackend:
    return ModernBackend(
        resources=[{"uri": "test://a", "name": "a"}],
        templates=[{"uriTemplate": "test://t/{id}", "name": "t"}],
        prompts=[{"name": "ask"}],
        instructions="Be kind.",
        **more,
    )


@pytest.mark.scenario("P-3")
async def test_a_client_with_a_session_uses_all_of_a_backend_that_knows_none():
    backend = everything()
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        hello = await client.open()
        assert "Be kind." in hello["instructions"]
        assert await client.names() == ["one_echo"]
        assert await client.names("resources") == ["test://a"]
        assert await client.names("resourceTemplates") == ["test://t/{id}"]
        assert await client.names("prompts") == ["one_ask"]
        assert await client.call("one_echo", {"a": 1}) == text("called echo")
        read = await client.result("resources/read", {"uri": "test://a"})
        assert read == {"contents": [{"uri": "test://a", "text": "read"}]}
        assert (await client.result("prompts/get", {"name": "one_ask"}))["messages"]
        reference = {"ref": {"type": "ref/prompt", "name": "one_ask"}, "argument": {"name": "a", "value": "b"}}
        assert (await client.result("completion/complete", reference))["completion"]["values"] == ["done"]
        assert await client.result("logging/setLevel", {"level": "info"}) == {}
        assert await client.result("ping") == {}
        [described] = (await world.status())["backends"]
        assert (described["revision"], described["status"]) == (MODERN, "healthy")
    called = backend.modern_calls("tools/call")[0]
    assert called.headers["mcp-name"] == "echo"
    assert called.message["params"]["_meta"][f"{META}clientInfo"]["name"] == "vmcp"
    # The handshake that it refused was the only one of the former protocol.
    assert [each.method for each in backend.heard if each not in backend.modern] == ["initialize"]


@pytest.mark.scenario("P-3")
async def test_a_backend_hears_of_each_client_what_that_declares_and_at_which_level_it_logs():
    backend = everything()
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client, world.client() as plain:
        await client.open({"elicitation": {}, "tasks": {}})
        await plain.open()
        await client.result("logging/setLevel", {"level": "warning"})
        await client.call("one_echo", _meta={"progressToken": "p", "traceparent": "00-1-2-01", f"{META}logLevel": "x"})
        await plain.call("one_echo")
    first, second = (each.message["params"]["_meta"] for each in backend.modern_calls("tools/call"))
    assert first[f"{META}clientCapabilities"] == {"elicitation": {}}
    assert first[f"{META}logLevel"] == "warning"
    assert first["traceparent"] == "00-1-2-01"
    assert isinstance(first["progressToken"], int)
    assert second[f"{META}clientCapabilities"] == {}
    assert not {f"{META}logLevel", "progressToken"} & set(second)


@pytest.mark.scenario("P-3")
async def test_progress_and_log_records_come_before_the_answer_and_a_question_in_the_stream_goes_nowhere():
    backend = everything()

    @backend.on("tools/call")
    async def answer(call: Call) -> dict[str, Any]:
        token = call.params["_meta"]["progressToken"]
        await call.notify("notifications/progress", progressToken=token, progress=1, total=2)
        await call.notify("notifications/message", level="info", data="under way")
        await call.say({"jsonrpc": "2.0", "id": 9, "method": "elicitation/create", "params": {"message": "?"}})
        return text("done")

    async with scene({"one": backend}, config=QUIET) as world, world.client() as client:
        await client.open({"elicitation": {}})
        assert await client.call("one_echo", _meta={"progressToken": "mine"}) == text("done")
        assert [each["method"] for each in client.said] == ["notifications/progress", "notifications/message"]
        assert client.said[0]["params"]["progressToken"] == "mine"
        assert client.said[1]["params"]["logger"] == "one"


@pytest.mark.scenario("P-17")
async def test_a_server_of_both_protocols_is_spoken_to_in_that_of_the_client_and_each_sees_the_tools_of_its_own():
    backend = everything(eras={"legacy", "modern"}, tools=[tool("old")], modern_tools=[tool("new")])
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.session() as client,
        modern(world) as other,
    ):
        assert await client.names() == ["one_old"]
        assert await other.names() == ["one_new"]
        assert await client.call("one_old") == text("called old")
        assert (await other.call("one_new"))["content"] == text("called new")["content"]
        [described] = (await world.status())["backends"]
        assert described["revision"] == f"2025-11-25, {MODERN}"
    assert [each.message["params"]["name"] for each in backend.modern_calls("tools/call")] == ["new"]
    assert [each.message["params"]["name"] for each in backend.calls("tools/call")] == ["old", "new"]


@pytest.mark.scenario("P-2")
async def test_a_server_that_knows_no_sessions_is_asked_for_none_by_clients_without_one():
    backend = everything()
    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        assert await client.names() == ["one_echo"]
        page = await client.result("tools/list")
        assert 0 < page["ttlMs"] <= backend.ttl
        assert (await client.call("one_echo"))["content"] == text("called echo")["content"]
    assert backend.heard == backend.modern


async def test_a_server_that_refuses_the_revision_and_names_it_is_asked_once_more():
    backend = everything()
    asked = []

    async def refuse_once(call: Call) -> None:
        asked.append(call)
        backend.discovers = None
        await refused(call, Refusal(-32022, "Unsupported protocol version", {"supported": [MODERN]}))

    backend.discovers = refuse_once
    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        assert await client.names() == ["one_echo"]
    assert (len(asked), backend.heard) == (1, backend.modern)


@pytest.mark.parametrize("status", [404, 400])
async def test_a_server_that_knows_sessions_alone_gets_one_request_more_in_all(status):
    backend = ScriptedBackend(unknown_status=status)
    async with scene({"one": backend}, config=QUIET) as world, world.session() as first, world.session() as second:
        await first.call("one_echo")
        await second.call("one_echo")
        [described] = (await world.status())["backends"]
        assert described["revision"] == "2025-11-25"
    assert len(backend.calls("server/discover")) == 1


@pytest.mark.parametrize(
    ("answer", "revision"),
    [
        ({"supportedVersions": ["2025-11-25"], "capabilities": {}}, "2025-11-25"),
        ({"supportedVersions": "2026-07-28"}, "2025-11-25"),
        ({}, "2025-11-25"),
        ({"supportedVersions": ["2025-11-25", MODERN], "capabilities": {"tools": {}}}, f"2025-11-25, {MODERN}"),
    ],
)
async def test_only_the_list_of_revisions_says_that_the_modern_one_is_spoken(answer, revision):
    backend = ModernBackend(eras={"legacy", "modern"})

    async def discover(call: Call) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": call.heard.message["id"], "result": answer}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        await call.write(head.encode() + body)

    backend.discovers = discover
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        assert await client.names() == ["one_echo"]
        [described] = (await world.status())["backends"]
        assert described["revision"] == revision


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 503])
async def test_a_refusal_of_the_moment_decides_nothing_and_the_former_protocol_serves(status):
    backend = ModernBackend(eras={"legacy", "modern"})

    async def refuse(_call: Call) -> None:
        raise Status(status)

    backend.discovers = refuse
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        assert await client.call("one_echo") == text("called echo")
        [described] = (await world.status())["backends"]
        assert (described["revision"], described["status"]) == ("2025-11-25", "healthy")


@pytest.mark.scenario("P-3", "P-8")
async def test_an_argument_travels_as_a_header_by_the_schema_of_the_backend():
    backend = ModernBackend(tools=[tool("echo", inputSchema=REGION)])
    overrides = {"tools": [{"workload": "one", "overrides": {"echo": {"arguments": {"region": {"fixed": "süd"}}}}}]}
    async with scene({"one": backend}, config=QUIET | {"aggregation": overrides}) as world, world.session() as client:
        assert await client.call("one_echo") == text("called echo")
    [called] = backend.modern_calls("tools/call")
    assert called.headers["mcp-param-region"] == "=?base64?c8O8ZA==?="


@pytest.mark.scenario("X-4", "P-8")
@pytest.mark.parametrize("region", ["x" * 8193, "ä" * 4096])
async def test_a_value_that_is_too_long_for_a_header_is_refused_by_the_name_of_its_argument(region):
    backend = everything(tools=[tool("echo", inputSchema=REGION)])
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        refused = await client.request("tools/call", {"name": "one_echo", "arguments": {"region": region}})
        assert refused["error"]["code"] == -32602
        assert "'region' travels as the header Mcp-Param-Region" in refused["error"]["message"]
        assert backend.calls("tools/call") == []
        assert not (await client.call("one_echo", {"region": region[:1] * 1000})).get("isError")


@pytest.mark.scenario("P-8")
async def test_a_call_that_is_refused_for_its_headers_goes_out_once_more_by_a_new_list():
    backend = ModernBackend(tools=[tool("echo", inputSchema={"type": "object"})])
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.call("one_echo", {"region": "eu"})
        backend.tools = [tool("echo", inputSchema=REGION)]
        assert await client.call("one_echo", {"region": "eu"}) == text("called echo")
        assert backend.modern_calls("tools/call")[-1].headers["mcp-param-region"] == "eu"
        count = len(backend.modern_calls("tools/call"))

        @backend.on("tools/call")
        async def refuse(_call: Call) -> dict[str, Any]:
            raise Refusal(-32020, "no header is good enough")

        answer = await client.request("tools/call", {"name": "one_echo", "arguments": {}})
        assert answer["error"]["code"] == -32020
        assert len(backend.modern_calls("tools/call")) == count + 2


@pytest.mark.scenario("P-8")
@pytest.mark.parametrize(
    "properties",
    [
        {"a": {"type": "number", "x-mcp-header": "A"}},
        {f"p{each}": {"type": "string", "x-mcp-header": f"H{each}"} for each in range(65)},
        {"a": {"type": "string", "x-mcp-header": "A", "description": "x" * 262_144}},
    ],
    ids=["bad type", "too many", "too long"],
)
async def test_a_tool_with_an_annotation_that_nobody_can_follow_is_left_out_alone(properties):
    bad = {"type": "object", "properties": properties}
    backend = ModernBackend(tools=[tool("echo"), tool("bad", inputSchema=bad)])
    former = ScriptedBackend(tools=[tool("bad", inputSchema=bad)])
    async with scene({"one": backend, "two": former}, config=QUIET) as world, world.session() as client:
        assert await client.names() == ["one_echo", "two_bad"]
        [dropped] = (await world.status())["droppedTools"]
        assert (dropped["backend"], dropped["name"]) == ("one", "bad")
        assert "x-mcp-header" in dropped["reason"]


@pytest.mark.parametrize("result", [{"resultType": "task", "content": []}, {"resultType": 7, "content": []}])
async def test_a_result_of_an_unknown_type_is_no_answer(result):
    backend = everything()

    @backend.on("tools/call")
    async def answer(_call: Call) -> dict[str, Any]:
        return result

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.call("one_echo")
        assert answer["isError"]
        assert "of a type that is not known here" in answer["content"][0]["text"]


async def test_a_call_whose_stream_broke_is_never_sent_again_and_a_read_is_once():
    backend = everything()

    @backend.on("tools/call")
    @backend.on("resources/read")
    async def end_early(call: Call) -> dict[str, Any]:
        await call.notify("notifications/message", level="info", data="x")
        await call.write(b"0\r\n\r\n")
        raise ConnectionResetError

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.call("one_echo")
        assert answer["isError"]
        assert "ended before the answer" in answer["content"][0]["text"]
        assert len(backend.modern_calls("tools/call")) == 1
        answer = await client.request("resources/read", {"uri": "test://a"})
        assert "ended before the answer" in answer["error"]["message"], answer
        assert len(backend.modern_calls("resources/read")) == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refusal(-32602, "not there", {"uri": "test://a"}), -32002),
        (Refusal(-32602, "odd"), -32602),
        (Refusal(-32021, "needs more", {"requiredCapabilities": {"sampling": {}}}), -32021),
        (Refusal(-32603, "broken"), -32603),
    ],
)
async def test_errors_of_the_backend_come_as_former_revisions_have_them(error, code):
    backend = everything()

    @backend.on("resources/read")
    async def refuse(_call: Call) -> dict[str, Any]:
        raise error

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.request("resources/read", {"uri": "test://a"})
        assert answer["error"] == error.error | {"code": code}


async def test_a_server_that_goes_back_to_sessions_is_spoken_to_in_sessions_and_the_other_way_round():
    backend = everything()
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        assert await client.call("one_echo") == text("called echo")
        backend.eras = {"legacy"}
        assert await client.call("one_echo") == text("called echo")
        assert backend.heard[-1].session
        backend.eras = {"modern"}
        backend.sessions.clear()
        assert await client.call("one_echo") == text("called echo")
        assert backend.heard[-1] in backend.modern
    assert len(backend.modern_calls("tools/call")) == 3


async def test_a_revision_that_is_refused_in_the_middle_is_found_out_anew():
    backend = everything()
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        await client.call("one_echo")

        @backend.on("tools/call")
        async def refuse(_call: Call) -> dict[str, Any]:
            if backend.heard[-1] in backend.modern:
                backend.eras = {"legacy"}
                raise Refusal(-32022, "Unsupported protocol version", {"supported": ["2025-11-25"]})
            return text("served")

        assert await client.call("one_echo") == text("served")


async def test_a_cancelled_call_closes_its_stream():
    backend = everything()
    begun, ended = asyncio.Event(), asyncio.Event()

    @backend.on("tools/call")
    async def hang(call: Call) -> dict[str, Any]:
        begun.set()
        try:
            while True:
                await call.notify("notifications/message", level="info", data="x")
                await asyncio.sleep(0.02)
        finally:
            ended.set()

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        message = {"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": "one_echo"}}
        async with client.sending(message):
            await asyncio.wait_for(begun.wait(), 30)
            await client.post(
                {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77, "reason": "x"}}
            )
            await asyncio.wait_for(ended.wait(), 30)
    assert not [each for each in backend.modern if each.method == "notifications/cancelled"]


@pytest.mark.scenario("P-9")
async def test_changes_of_lists_and_of_resources_come_by_a_listening_stream():
    backend = everything(offers=OFFERS | {"resources": {"subscribe": True, "listChanged": True}})
    async with (
        scene({"one": backend}, config=QUIET) as world,
        world.session() as client,
        world.session() as other,
        client.listening() as stream,
        other.listening() as others,
    ):
        await client.call("one_echo")
        await other.call("one_echo")
        await client.result("resources/subscribe", {"uri": "test://a"})
        # The proxy's own, and one for each client.
        await eventually(lambda: len(backend.listening) == 3)
        backend.tools = [tool("echo"), tool("more")]
        await backend.tell("notifications/tools/list_changed")
        await stream.until("notifications/tools/list_changed")
        assert await client.names() == ["one_echo", "one_more"]
        for wanted, call in backend.listening:
            if "test://a" in wanted.get("resourceSubscriptions", ()):
                await call.notify("notifications/resources/updated", uri="test://a")
        [updated] = await stream.until("notifications/resources/updated")
        assert updated["params"] == {"uri": "test://a"}
        assert "notifications/resources/updated" not in others.methods
        await client.result("resources/unsubscribe", {"uri": "test://a"})
        await eventually(lambda: not any("resourceSubscriptions" in wanted for wanted, _ in backend.listening))


async def test_health_is_asked_for_by_discovery():
    backend = everything()
    probing = operational(failureHandling={"healthCheckInterval": "100ms", "healthCheckTimeout": "100ms"})
    async with scene({"one": backend}, config=probing) as world, world.session() as client:
        await client.names()
        count = len(backend.modern_calls("server/discover"))
        await eventually(lambda: len(backend.modern_calls("server/discover")) > count + 1)
        [described] = (await world.status())["backends"]
        assert described["status"] == "healthy"
    assert not backend.calls("ping")
