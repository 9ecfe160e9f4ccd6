"""Traces: from the client through the proxy to backends, and on to a collector (ADR-0047)."""

import json
import sys

import pytest

from tests.proxy.endpoint.tracing import OTHER, PARENT, TRACE, telemetry, traced
from tests.support.eras import MODERN, Era
from tests.support.old_server import OldServer
from tests.support.otlp import OtlpReceiver
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Refusal, ScriptedBackend, text
from tests.support.serving import http_backend
from vmcp_proxy.http_client import head


@pytest.mark.scenario("O-2")
async def test_a_trace_goes_on_from_the_client_through_the_proxy_to_the_backend(both_eras):
    async def use(client):
        await client.request("tools/call", {"name": "one_echo", "arguments": {"q": "secret"}}, traceparent=PARENT)

    spans, backend, everything = await traced(use)
    server, call = spans["tools/call one_echo"], spans["tools/call echo"]
    assert [(each.kind, each.trace) for each in (server, call)] == [("SERVER", TRACE), ("CLIENT", TRACE)]
    assert (server.parent, call.parent) == ("00f067aa0ba902b7", server.id)
    (heard,) = backend.calls("tools/call")
    sent = f"00-{TRACE}-{call.id}-01"
    assert (heard.headers["traceparent"], heard.message["params"]["_meta"]) == (sent, {"traceparent": sent})
    assert [(each.name, each.parent) for each in everything if each.kind == "CLIENT"] == [
        ("initialize", call.id),
        ("tools/call echo", server.id),
    ]
    if both_eras is Era.LEGACY:
        assert server.attributes.pop("mcp.session.id")
    else:
        assert server.attributes.pop("mcp.protocol.version") == MODERN
    assert server.attributes == {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "one_echo",
        "jsonrpc.request.id": "1" if both_eras is Era.LEGACY else "2",
        "vmcp.backend": "one",
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
    }
    assert call.attributes == {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "echo",
        "jsonrpc.request.id": str(heard.message["id"]),
        "mcp.protocol.version": "2025-11-25",
        "vmcp.backend": "one",
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "server.address": "127.0.0.1",
        "server.port": backend.port,
    }
    assert server.status == call.status == "UNSET"
    assert server.resource["service.name"] == "front"
    assert server.resource["deployment.environment"] == "test"
    assert server.seconds >= call.seconds > 0
    assert "secret" not in str(spans)


@pytest.fixture
def encoded(monkeypatch):
    """The header fields that were encoded for requests to backends, one entry for each time."""
    encoded, encode = [], head.encode_fields

    def counting(headers):
        encoded.append(dict(headers))
        return encode(headers)

    monkeypatch.setattr(head, "encode_fields", counting)
    return encoded


@pytest.mark.usefixtures("both_eras")
@pytest.mark.parametrize("rate", ["0", "1"])
async def test_the_clients_headers_are_encoded_once_whatever_goes_with_a_single_request(encoded, rate):
    async def use(client):
        client.headers["x-api-key"] = "key-of-the-client"
        await client.open()
        await client.call("one_echo")
        encoded.clear()
        for _ in range(5):
            await client.call("one_echo")
        assert not [fields for fields in encoded if set(fields) - {b"traceparent"}]

    settings = operational(failureHandling={"healthCheckInterval": "1h"})
    _, backend, _ = await traced(use, rate=rate, config=settings, passthroughHeaders=["X-Api-Key"])
    calls = backend.calls("tools/call")
    assert len({call.headers["traceparent"] for call in calls}) == 6
    assert {call.headers["x-api-key"] for call in calls} == {"key-of-the-client"}
    assert not [each for each in backend.heard if each.method != "tools/call" and "traceparent" in each.headers]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.parametrize(
    ("meta", "header", "parent", "links", "state"),
    [
        ({"traceparent": PARENT}, None, PARENT, [], ""),
        ({"traceparent": PARENT, "tracestate": "a=1, b=2"}, PARENT, PARENT, [], "a=1,b=2"),
        ({"traceparent": PARENT}, OTHER, PARENT, [tuple(OTHER.split("-")[1:3])], ""),
        ({"traceparent": "garbage", "tracestate": "a=1"}, OTHER, OTHER, [], "of=header"),
        ({"traceparent": 7}, OTHER, OTHER, [], "of=header"),
        ({"traceparent": PARENT, "tracestate": 'a="\r\nX-Evil: 1'}, None, PARENT, [], ""),
        ({"traceparent": "\ud800"}, f"{OTHER}-and-more", "", [], ""),
    ],
    ids=["meta", "both", "meta wins", "no id", "no text", "bad state", "neither"],
)
async def test_the_message_names_the_parent_and_the_request_that_brought_it_is_linked_to(
    meta, header, parent, links, state
):
    async def use(client):
        headers = {"traceparent": header, "tracestate": "of=header"} if header else {}
        params = {"name": "one_echo", "_meta": {**meta, "progressToken": 9, "other": 1}}
        await client.post({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}, **headers)

    spans, backend, _ = await traced(use)
    server, call = spans["tools/call one_echo"], spans["tools/call echo"]
    assert (server.trace, server.parent) == tuple(parent.split("-")[1:3]) if parent else server.parent == ""
    assert (server.links, server.state) == (links, state)
    (heard,) = backend.calls("tools/call")
    sent = {"traceparent": f"00-{server.trace}-{call.id}-{'01' if parent else '03'}"}
    sent |= {"tracestate": state} if state else {}
    token = heard.message["params"]["_meta"].pop("progressToken")
    assert token == heard.message["id"]
    assert heard.message["params"]["_meta"] == {"other": 1, **sent}
    assert {name: heard.headers[name] for name in ("traceparent", "tracestate") if name in heard.headers} == sent
    assert "x-evil" not in heard.headers


@pytest.mark.usefixtures("both_eras")
async def test_of_the_baggage_only_what_is_allowed_goes_on():
    written = 'tenant=a%20b;p=1, user=alice,bad="x", tenant2=no'

    async def use(client):
        await client.call("one_echo", _meta={"baggage": written})
        await client.request("tools/call", {"name": "one_echo"}, baggage=written)

    for allowed, sent in ((["tenant", "bad"], "tenant=a%20b;p=1"), ([], None)):
        for rate in ("1", "0"):
            _, backend, _ = await traced(use, rate=rate, baggage=allowed)
            for heard in backend.calls("tools/call"):
                assert heard.headers.get("baggage") == sent
                assert heard.message["params"]["_meta"].get("baggage") == sent


@pytest.mark.usefixtures("both_eras")
async def test_what_is_not_sampled_tells_backends_so_and_sends_nothing():
    passed = PARENT.removesuffix("01") + "00"

    async def use(client):
        await client.request("tools/call", {"name": "one_echo"}, traceparent=passed, tracestate="a=1")
        await client.call("one_echo")
        await client.call("one_echo")

    spans, backend, _ = await traced(use, rate="0")
    assert spans == {}
    first, *others = backend.calls("tools/call")
    assert first.message["params"]["_meta"] == {"traceparent": passed, "tracestate": "a=1"}
    assert (first.headers["traceparent"], first.headers["tracestate"]) == (passed, "a=1")
    ids = [each.headers["traceparent"].split("-") for each in others]
    assert [(version, len(trace), len(span), flags) for version, trace, span, flags in ids] == [
        ("00", 32, 16, "00")
    ] * 2
    assert ids[0][1] != ids[1][1]
    assert [each.message["params"]["_meta"]["traceparent"] for each in others] == ["-".join(each) for each in ids]


@pytest.mark.usefixtures("both_eras")
async def test_with_tracing_off_meta_is_relayed_as_it_came_and_no_header_is_made():
    backend = ScriptedBackend()
    meta = {"traceparent": PARENT, "baggage": "tenant=a"}
    async with scene({"one": backend}) as world, world.session() as client:
        await client.request("tools/call", {"name": "one_echo", "_meta": meta}, traceparent=OTHER)
        assert "tracing" not in world.inside.layers
    (heard,) = backend.calls("tools/call")
    assert heard.message["params"]["_meta"] == meta
    assert "traceparent" not in heard.headers


async def test_a_span_says_what_went_wrong_in_a_word_and_nothing_of_what_was_said():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def fail(call):
        raise Refusal(-32050, "canary in words")

    @backend.on("prompts/get")
    async def refuse(call):
        return {}

    backend.prompts = [{"name": "p"}]
    backend.resources = [{"uri": "file:///a?token=canary", "name": "r"}]

    async def use(client):
        await client.request("tools/call", {"name": "one_echo", "arguments": {"a": "canary"}})
        backend.handlers["tools/call"] = say_error
        await client.request("tools/call", {"name": "one_echo"}, 5)
        await client.post({"jsonrpc": "2.0", "id": 6, "method": "tools/call", "params": {"name": "canary no such"}})
        await client.request("tools/call", [])
        await client.request("no/such")
        await client.request("resources/read", {"uri": "file:///a?token=canary"})
        await client.request("prompts/get", {"name": "one_p"})
        await client.request("ping")

    async def say_error(call):
        return text("canary", isError=True)

    _, _, spans = await traced(use, backend=backend)
    told = [
        (each.kind, each.name, each.attributes.get("error.type"), each.status)
        for each in spans
        if each.name[0] in "tnorp"
    ]
    assert sorted(told, key=str) == sorted(
        [
            ("SERVER", "notifications/initialized", None, "UNSET"),
            ("CLIENT", "tools/call echo", "-32050", "ERROR"),
            ("SERVER", "tools/call one_echo", "-32050", "ERROR"),
            ("CLIENT", "tools/call echo", "tool_error", "ERROR"),
            ("SERVER", "tools/call one_echo", "tool_error", "ERROR"),
            ("SERVER", "tools/call", "-32602", "ERROR"),
            ("SERVER", "tools/call", "-32602", "ERROR"),
            ("SERVER", "other", "-32601", "ERROR"),
            ("CLIENT", "resources/read", None, "UNSET"),
            ("SERVER", "resources/read", None, "UNSET"),
            ("CLIENT", "prompts/get p", None, "UNSET"),
            ("SERVER", "prompts/get one_p", None, "UNSET"),
            ("SERVER", "ping", None, "UNSET"),
        ],
        key=str,
    )
    assert [each.attributes["rpc.response.status_code"] for each in spans if each.name == "other"] == ["-32601"]
    assert {each.attributes["mcp.resource.uri"] for each in spans if each.name == "resources/read"} == {"file:///a"}
    assert {each.attributes.get("gen_ai.prompt.name") for each in spans if "prompts" in each.name} == {"p", "one_p"}
    assert not [each for each in spans if each.message]
    shown = [each for each in spans if each.attributes.get("gen_ai.tool.name") != "canary no such"]
    assert "canary" not in json.dumps([[each.name, each.attributes, each.events, each.message] for each in shown])


@pytest.mark.usefixtures("both_eras")
async def test_a_call_that_is_sent_again_is_one_span_with_an_event_and_its_handshakes():
    backend = ScriptedBackend()

    async def use(client):
        await client.call("one_echo")
        backend.forget_sessions()
        await client.call("one_echo")

    _, _, spans = await traced(use, backend=backend)
    calls = [each for each in spans if each.name == "tools/call echo"]
    assert [[(name, event) for name, event in each.events] for each in calls] == [
        [],
        [("vmcp.request.resent", {"reason": "session_lost"})],
    ]
    handshakes = [each for each in spans if each.name == "initialize" and each.kind == "CLIENT"]
    assert [each.parent for each in handshakes] == [each.id for each in calls]
    first, *both = [each.headers["traceparent"] for each in backend.calls("tools/call")]
    assert both == [f"00-{calls[1].trace}-{calls[1].id}-03"] * 2
    assert first == f"00-{calls[0].trace}-{calls[0].id}-03"


ECHO = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    method, params = message.get("method"), message.get("params") or {}
    results = {
        "initialize": {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}},
                       "serverInfo": {"name": "p", "version": "1"}},
        "tools/list": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": json.dumps(params)}]},
    }
    if "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": results.get(method, {})}
        print(json.dumps(answer), flush=True)
"""


@pytest.mark.usefixtures("both_eras")
async def test_programs_and_servers_of_the_first_http_transport_get_the_context_too():
    old, asked = OldServer(), []
    accept = old.on_post

    async def remember(post):
        asked.append(post)
        await accept(post)

    old.on_post = remember
    program = {"name": "p", "kind": "MCPServer", "transport": "stdio", "network": "local"}
    async with OtlpReceiver().running() as collector, old.server.running():
        configs = (
            http_backend("old", old.server.port, transport="sse"),
            program | {"command": [sys.executable, "-c", ECHO]},
        )
        async with scene({}, extra=configs, telemetry=telemetry(collector)) as world, world.session() as client:
            await client.call("old_echo")
            heard = json.loads((await client.call("p_echo"))["content"][0]["text"])
        spans = {
            each.attributes.get("vmcp.backend"): each for each in collector.spans if each.name == "tools/call echo"
        }
    sent = {name: f"00-{each.trace}-{each.id}-03" for name, each in spans.items()}
    (post,) = [each for each in asked if each.method == "tools/call"]
    assert post.headers["traceparent"] == sent["old"].encode()
    assert post.message["params"]["_meta"]["traceparent"] == sent["old"]
    assert {each.headers.get("traceparent") for each in asked if each is not post} == {None}
    assert heard["_meta"] == {"traceparent": sent["p"]}
    assert spans["p"].attributes["network.transport"] == "pipe"
    assert "server.address" not in spans["p"].attributes


@pytest.mark.usefixtures("both_eras")
async def test_a_context_that_is_passed_through_gives_way_to_the_one_of_each_request():
    async def use(client):
        for parent in (PARENT, OTHER):
            await client.request("tools/call", {"name": "one_echo"}, traceparent=parent, x_a="1")

    names = ["Traceparent", "TraceState", "X-A"]
    _, backend, spans = await traced(use, passthroughHeaders=names, passthroughHeaderMode="Request")
    calls = [each for each in spans if each.kind == "CLIENT" and each.name == "tools/call echo"]
    assert [each.headers["traceparent"].split("-")[2] for each in backend.calls("tools/call")] == [
        each.id for each in calls
    ]
    assert {each.headers["x-a"] for each in backend.calls("tools/call")} == {"1"}


async def test_each_message_of_a_batch_has_a_span_and_the_batch_has_none():
    backend = ScriptedBackend()

    async def use(client):
        await client.send("DELETE")
        client.session = ""
        client.session = (await client.post(old_initialize())).headers["mcp-session-id"]
        meta = [{"traceparent": PARENT}, {"traceparent": OTHER}]
        calls = [
            {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "one_echo", "_meta": each}}
            for n, each in enumerate(meta)
        ]
        answer = await client.post([*calls, {"jsonrpc": "2.0", "method": "notifications/x"}])
        assert len(answer.json()) == 2

    def old_initialize():
        params = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}

    _, _, spans = await traced(use, backend=backend)
    calls = {each.trace for each in spans if each.name == "tools/call one_echo"}
    assert calls == {TRACE, OTHER.split("-")[1]}
    assert not [each for each in spans if "batch" in str(each)]
