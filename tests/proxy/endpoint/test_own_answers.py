"""What a session is answered where no backend's answer can be given, to the byte: code, text, data and form."""

import json

import pytest

from tests.proxy.endpoint.breaking import Fickle, guarded, open_circuit
from tests.proxy.endpoint.helpers import QUIET, everything
from tests.proxy.endpoint.test_surface import Rules
from tests.support.raw_client import RawClient, initialize
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, Status
from tests.support.serving import http_backend
from vmcp_proxy.core.calls import aggregate

LONG = "é" * 300
DEAD = http_backend("dead", 1)
NO_BACKEND = "backend 'one' failed to answer (HTTP status 503; it asks to be called again later)"


def encoded(member: str, value: object) -> bytes:
    answer = {"jsonrpc": "2.0", "id": 7, member: value}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()


def error(code: int, message: str, data: object = None) -> bytes:
    return encoded("error", {"code": code, "message": message} | ({} if data is None else {"data": data}))


def said_in_a_result(text: str, meta: dict[str, object]) -> bytes:
    return encoded("result", {"content": [{"type": "text", "text": text}], "isError": True, "_meta": meta})


async def answers_to(client: RawClient, requests) -> list[bytes]:
    """The answers to these methods and params; each comes with status 200."""
    answers = []
    for method, params in requests:
        answer = await client.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        assert answer.status_code == 200
        answers.append(answer.content)
    return answers


def reference(name: str) -> dict[str, object]:
    return {"ref": {"type": "ref/prompt", "name": name}, "argument": {"name": "a", "value": ""}}


UNKNOWN = {
    ("nope/nope", "{}"): error(-32601, "Method not found: nope/nope"),
    ("x" * 130, "{}"): error(-32601, f"Method not found: {'x' * 128}"),
    ("tools/call", '{"name":"none"}'): error(-32602, "Unknown tool: none"),
    ("tools/call", json.dumps({"name": LONG})): error(-32602, f"Unknown tool: {LONG[:256]}"),
    ("prompts/get", '{"name":"none"}'): error(-32602, "Unknown prompt: none"),
    ("resources/read", '{"uri":"x://é"}'): error(-32002, "Resource not found", {"uri": "x://é"}),
    ("resources/subscribe", '{"uri":"x://a"}'): error(-32002, "Resource not found", {"uri": "x://a"}),
    ("resources/unsubscribe", '{"uri":"x://a"}'): error(-32002, "Resource not found", {"uri": "x://a"}),
    ("completion/complete", json.dumps(reference("none"))): encoded(
        "result", {"completion": {"values": [], "hasMore": False}}
    ),
    ("tools/list", '{"cursor":"none"}'): error(-32602, "The cursor is not one of this list; begin without one."),
    ("tools/list", '{"cursor":5}'): error(-32602, 'The params need a text member "cursor".'),
    ("tools/call", "{}"): error(-32602, 'The params need a text member "name".'),
    ("tools/call", "[]"): error(-32602, "The params must be an object."),
    ("completion/complete", "{}"): error(-32602, 'The params need a member "ref".'),
    ("logging/setLevel", '{"level":"loud"}'): error(
        -32602, "The level must be one of debug, info, notice, warning, error, critical, alert, emergency."
    ),
}


async def test_what_nobody_knows_and_what_has_the_wrong_shape():
    requests = [(method, json.loads(params)) for method, params in UNKNOWN]
    # Two have resources: the only one that has any would be asked for what nobody lists.
    async with scene({"one": everything(), "two": everything()}, config=QUIET) as world:
        async with world.session() as client:
            assert await answers_to(client, requests) == list(UNKNOWN.values())
        async with world.client() as fresh:
            message = {**initialize(), "id": 7, "params": {}}
            answer = await fresh.post(message)
    assert (answer.status_code, answer.content) == (
        200,
        error(-32602, 'The params need a text member "protocolVersion".'),
    )


async def test_a_backend_that_gives_no_answer_is_named_in_a_result_of_a_tool_and_in_an_error_else():
    backend = everything()

    async def unwell(_call):
        raise Status(503, {"retry-after": "7"})

    for method in ("tools/call", "resources/read", "prompts/get", "completion/complete"):
        backend.on(method)(unwell)
    requests = [
        ("tools/call", {"name": "one_echo"}),
        ("resources/read", {"uri": "test://a"}),
        ("prompts/get", {"name": "one_ask"}),
        ("completion/complete", reference("one_ask")),
    ]
    text = f"{NO_BACKEND}; try again in 7 s"
    data = {"vmcp.dev/backend": "one", "vmcp.dev/category": "failed", "vmcp.dev/retryAfterSeconds": 7}
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        called, *others = await answers_to(client, requests)
    assert called == said_in_a_result(text, data)
    assert others == [error(-32603, text, data)] * 3


async def test_an_open_circuit_says_once_when_to_try_again():
    backend = Fickle(resources=[{"uri": "test://a", "name": "a"}])
    async with scene({"one": backend}, config=guarded(timeout="1h")) as world, world.session() as client:
        await client.names()
        await client.names("resources")
        await open_circuit(world, client, backend)
        requests = [("tools/call", {"name": "one_echo"}), ("resources/read", {"uri": "test://a"})]
        called, read = await answers_to(client, requests)
    data = json.loads(called)["result"]["_meta"]
    seconds = data["vmcp.dev/retryAfterSeconds"]
    text = f"backend 'one' kept failing and is not called for now (try again in {seconds} s)"
    assert data == {
        "vmcp.dev/backend": "one",
        "vmcp.dev/category": "circuit_open",
        "vmcp.dev/retryAfterSeconds": seconds,
    }
    assert called == said_in_a_result(text, data)
    assert json.loads(read)["error"]["message"].startswith(text[:50])


async def test_what_backends_may_have_that_did_not_tell_names_five_of_them():
    config = operational(timeouts={"list": "100ms"}, failureHandling={"healthCheckInterval": "1h"})
    priority = {"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": ["d0"]}}
    dead = tuple(http_backend(f"d{number}", 1) for number in range(7))
    requests = [
        ("tools/call", {"name": "none"}),
        ("prompts/get", {"name": "none"}),
        ("resources/read", {"uri": "x://a"}),
        ("completion/complete", reference("none")),
    ]
    async with (
        scene({}, extra=dead, config={**config, "aggregation": priority}) as world,
        world.session() as client,
    ):
        answers = await answers_to(client, requests)
        outcomes = (await client.result("tools/list"))["_meta"]["vmcp.dev/serverOutcomes"]
    may = "; ".join(outcomes[f"d{number}"]["message"] for number in range(5)) + "; and 2 more"
    data = {"vmcp.dev/backend": "d0", "vmcp.dev/category": "unreachable"}
    texts = [
        f"No {what} is known yet, and it may belong to: {may}"
        for what in ("tool 'none'", "prompt 'none'", "resource 'x://a'", "name 'none'")
    ]
    assert answers[0] == said_in_a_result(texts[0], data)
    assert answers[2] == error(-32603, texts[2], data)
    one = outcomes["d0"]["message"]
    for answer, text in ((answers[1], texts[1]), (answers[3], texts[3])):
        told = json.loads(answer)["error"]
        assert (told["code"], told["data"]) == (-32603, data)
        assert told["message"].startswith(text.partition(": ")[0])
        assert one in told["message"]


@pytest.mark.scenario("B-9")
async def test_a_group_that_is_served_whole_or_not_at_all_names_the_first_that_is_lacking():
    config = operational(failureHandling={"partialFailureMode": "fail", "healthCheckInterval": "1h"})
    secret = [{"headerName": "X-S", "valueSecretRef": {"name": "s", "key": "k"}}]
    more = {"lacking": {"headerForward": {"addHeadersFromSecret": secret}}}
    backends = {"one": everything(), "lacking": everything()}
    text = (
        "backend 'lacking' is not served: its configuration lacks something, "
        "and this endpoint serves all of its backends or none"
    )
    expected = error(-32603, text, {"vmcp.dev/backend": "lacking", "vmcp.dev/category": "withheld"})
    requests = [("tools/list", {}), ("tools/call", {"name": "one_echo"}), ("resources/read", {"uri": "test://a"})]
    async with scene(backends, more=more, config=config) as world, world.session() as client:
        assert await answers_to(client, requests) == [expected] * 3


async def test_a_session_with_all_subscriptions_it_may_have_is_refused_one_more(monkeypatch):
    backend = everything()
    backend.offers["resources"] = {"subscribe": True}

    @backend.on("resources/subscribe")
    async def subscribe(_call):
        return {}

    monkeypatch.setattr(aggregate, "MOST_SUBSCRIPTIONS", 1)
    requests = [("resources/subscribe", {"uri": "test://a"}), ("resources/subscribe", {"uri": "test://t/1"})]
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        first, second = await answers_to(client, requests)
    assert first == encoded("result", {})
    assert second == error(-32602, "A session may subscribe to 1 resources of a backend.")


async def test_a_caller_that_may_not_hears_nothing_but_that():
    async with scene({"one": everything()}, config=QUIET, admitter=Rules()) as world, world.session() as client:
        answer = await client.post({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "one_echo"}})
    assert (answer.status_code, answer.content) == (200, error(403, "Forbidden."))


async def test_a_request_that_is_too_long_a_time_away_in_a_batch_or_in_no_place_there():
    batch = [
        {"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": {}},
        {"jsonrpc": "1.0", "id": 7, "method": "ping"},
    ]
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.client() as client:
        client.session = (await client.post(initialize("2025-03-26"))).headers["mcp-session-id"]
        answer = await client.post(batch)
    alone = error(-32600, "Send initialize in a request of its own.")
    version = error(-32600, 'The member "jsonrpc" must be "2.0".').replace(b'"id":7', b'"id":null')
    assert (answer.status_code, answer.content) == (200, b"[%b,%b]" % (alone, version))
