"""Calls that pause, at the endpoint: what clients without a session are asked, and what stays when they go away."""

import asyncio
import contextlib
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_audit import audited
from tests.proxy.endpoint.test_composites import composite, having
from tests.proxy.endpoint.test_server_requests import Asker, answer_of
from tests.proxy.endpoint.tracing import telemetry
from tests.support import heap
from tests.support.modern_backend import ModernBackend
from tests.support.otlp import OtlpReceiver
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Call, Refusal, ScriptedBackend, text, tool
from tests.support.serving import http_backend
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.protocol.methods import Era

CANARY = "canary-9d41f0"
PARKED = "vmcp_parked_calls"
FORM = {"message": "name?", "requestedSchema": {"type": "object"}}
PAGE = {"mode": "url", "elicitationId": "e1", "url": "https://x.test/login", "message": "log in"}
ELICITS = {"elicitation": {}}
ACCEPT = {"action": "accept", "content": {"name": "Ada"}}


@pytest.fixture(autouse=True)
def _modern(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)


@contextlib.asynccontextmanager
async def asked_by(backend, capabilities=ELICITS, headers=None, **config):
    """A proxy in front of a backend, and a client that can be asked."""
    config = {"config": QUIET, "passthroughHeaders": ["X-Api-Key"], **config}
    async with scene({"one": backend}, **config) as world, RawClient(world.url, headers) as client:
        client.capabilities = capabilities
        yield world, client


def go_on(client, asked, *, answers=None, name="one_echo", arguments=None):
    """The answer to the next request of a call, whatever it is."""
    given = dict.fromkeys(asked["inputRequests"], ACCEPT) if answers is None else answers
    params = {"name": name, "arguments": arguments or {}, "inputResponses": given}
    if "requestState" in asked:
        params["requestState"] = asked["requestState"]
    return client.request("tools/call", params)


@pytest.mark.scenario("P-3")
@pytest.mark.parametrize(
    ("method", "capabilities", "params", "result"),
    [
        (
            "sampling/createMessage",
            {"sampling": {}},
            {"messages": [], "maxTokens": 9},
            {"role": "assistant", "big": 2**70},
        ),
        ("elicitation/create", {"elicitation": {"form": {}}}, FORM, {"action": "accept", "content": {}}),
        (
            "elicitation/create",
            {"elicitation": {"url": {}}},
            {"mode": "url", "url": "https://x.test"},
            {"action": "decline"},
        ),
        ("roots/list", {"roots": {}}, None, {"roots": [{"uri": "file:///a"}]}),
    ],
)
async def test_each_kind_of_question_of_a_legacy_backend_is_answered_by_the_next_request(
    method, capabilities, params, result
):
    asker = Asker(method, params, request_id="text-id")
    async with asked_by(asker.backend, capabilities) as (world, client):
        asked = await client.call("one_echo")
        question = {"method": method} if params is None else {"method": method, "params": params}
        assert (asked["resultType"], asked["inputRequests"]) == ("input_required", {"q1": question})
        assert "ttlMs" not in asked
        assert (await world.metrics())[PARKED] == 1
        done = await go_on(client, asked, answers={"q1": result})
        assert answer_of(done) == {"jsonrpc": "2.0", "id": "text-id", "result": result}
        assert (done["result"]["resultType"], (await world.metrics())[PARKED]) == ("complete", 0)


async def test_what_comes_before_a_question_and_after_it_goes_on_the_stream_of_its_own_request():
    backend, answers = ScriptedBackend(), asyncio.Queue()

    @backend.on("tools/call")
    async def talk(call: Call):
        token = call.params["_meta"]["progressToken"]
        await call.notify("notifications/progress", progressToken=token, progress=1)
        await call.say({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": FORM})
        await answers.get()
        await call.notify("notifications/progress", progressToken=token, progress=2)
        return text("done")

    @backend.on("")
    async def hear(call: Call):
        answers.put_nowait(call.heard.message)
        return {}

    async with asked_by(backend) as (_, client):
        asked = await client.call("one_echo", _meta={"progressToken": "first"})
        assert [said["params"] for said in client.said] == [{"progressToken": "first", "progress": 1}]
        client.said.clear()
        more = {"inputResponses": {"q1": ACCEPT}, "requestState": asked["requestState"], "_meta": {"progressToken": 2}}
        await client.call("one_echo", **more)
        assert [said["params"] for said in client.said] == [{"progressToken": 2, "progress": 2}]
        client.said.clear()
        asked = await client.call("one_echo", _meta={"progressToken": "first"})
        more = {"inputResponses": {"q1": ACCEPT}, "requestState": asked["requestState"]}
        client.said.clear()
        await client.call("one_echo", **more)
        assert client.said == []


@pytest.mark.scenario("P-12")
async def test_a_state_that_is_not_for_the_request_is_refused_in_words():
    asker = Asker("elicitation/create", FORM)
    async with asked_by(asker.backend, headers={"X-Api-Key": "k"}) as (_, client):
        asked = await client.call("one_echo")
        state = asked["requestState"]
        for changed, reason in (
            ({"requestState": state[:-2] + ("A" if state[-2] != "A" else "B") + state[-1]}, "changed on the way"),
            ({"requestState": "made up"}, "none that was given out here"),
        ):
            refused = (await go_on(client, {**asked, **changed}))["error"]
            assert refused["code"] == -32602
            assert reason in refused["message"]
        refused = (await go_on(client, asked, arguments={"x": 1}))["error"]
        assert (refused["code"], "another request" in refused["message"]) == (-32602, True)
        client.headers = {"X-Api-Key": "other"}
        refused = (await go_on(client, asked))["error"]
        assert (refused["code"], "another caller" in refused["message"]) == (-32602, True)
        client.headers = {"X-Api-Key": "k"}
        assert "result" in await go_on(client, asked)
        lost = (await go_on(client, asked))["error"]
        assert (lost["code"], "Begin again" in lost["message"]) == (-32603, True)


@pytest.mark.scenario("P-3", "W-1", "W-6")
async def test_a_composite_tool_asks_a_client_without_a_session():
    steps = [
        {"id": "who", "type": "elicitation", "message": "who?", "schema": {"type": "object"}},
        {
            "id": "say",
            "tool": "one_echo",
            "arguments": {"text": "{{.steps.who.output.content.name}}"},
            "dependsOn": ["who"],
        },
    ]
    backend = ScriptedBackend()
    async with asked_by(backend, config=having(composite(steps=steps))) as (_, client):
        asked = await client.call("repeat", {"text": "t"})
        (question,) = asked["inputRequests"].values()
        assert question["params"]["message"].endswith("who?")
        done = await go_on(client, asked, name="repeat", arguments={"text": "t"})
        assert not done["result"].get("isError")
    assert backend.calls("tools/call")[0].message["params"]["arguments"] == {"text": "Ada"}


@pytest.mark.scenario("P-12")
@pytest.mark.parametrize("change", [lambda state: state[:-2] + "~~", lambda _: "made up", lambda _: "v1.7.AAAA", None])
async def test_a_composite_tool_that_goes_on_with_a_state_of_no_use_is_not_run_again(change):
    steps = [
        {"id": "pay", "tool": "one_echo", "arguments": {"text": "x"}},
        {
            "id": "who",
            "type": "elicitation",
            "message": "who?",
            "schema": {"type": "object"},
            "dependsOn": ["pay"],
        },
    ]
    backend = ModernBackend(prompts=[{"name": "greet"}])

    @backend.on("prompts/get")
    async def rounds(_call: Call):
        return {"resultType": "input_required", "requestState": "of a backend"}

    async with asked_by(backend, config=having(composite(steps=steps))) as (_, client):
        asked = await client.call("repeat", {"text": "t"})
        if change is None:
            relayed = await client.request("prompts/get", {"name": "one_greet"})
            state = relayed["result"]["requestState"]
        else:
            state = change(asked["requestState"])
        refused = await go_on(client, {**asked, "requestState": state}, name="repeat", arguments={"text": "t"})
        assert (refused["error"]["code"], "Begin again" in refused["error"]["message"]) == (-32602, True)
    assert len(backend.calls("tools/call")) == 1


async def test_a_question_on_the_other_stream_belongs_to_the_call_that_has_the_session():
    backend, answers = ScriptedBackend(), {}

    @backend.on("tools/call")
    async def ask(call: Call):
        name, session = call.params["arguments"]["name"], call.heard.session
        heard = answers[session] = asyncio.Queue()
        backend.send_raw(
            {"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": {"message": name}}, session
        )
        return text(f"{name}: {(await heard.get())['result']['action']}")

    @backend.on("")
    async def hear(call: Call):
        answers[call.heard.session].put_nowait(call.heard.message)
        return {}

    async with asked_by(backend) as (_, client):
        names = [f"call {number}" for number in range(6)]
        came = await asyncio.gather(*(client.call("one_echo", {"name": name}) for name in names))
        for name, asked in zip(names, came, strict=True):
            assert asked["inputRequests"]["q1"]["params"] == {"message": name}
        assert len({heard.session for heard in backend.calls("tools/call")}) == 6
        done = await asyncio.gather(
            *(go_on(client, asked, arguments={"name": name}) for name, asked in zip(names, came, strict=True))
        )
        assert [each["result"]["content"][0]["text"] for each in done] == [f"{name}: accept" for name in names]
        # The sessions wait for the next calls, and nobody else's.
        asked = await client.call("one_echo", {"name": "next"})
        assert len({heard.session for heard in backend.calls("tools/call")}) == 6
        client.headers = {"X-Api-Key": "other"}
        await client.call("one_echo", {"name": "next"})
        assert len({heard.session for heard in backend.calls("tools/call")}) == 7


async def test_a_session_whose_call_was_given_up_is_used_for_no_other():
    asker = Asker("elicitation/create", FORM)
    short = operational(timeouts={"default": "1s", "maximum": "1s"})
    async with asked_by(asker.backend, config=short) as (_, client):
        await client.call("one_echo")
        await eventually(lambda: asker.backend.deletes)
        await client.call("one_echo")
        first, second = (heard.session for heard in asker.backend.calls("tools/call"))
        assert first != second
        assert first not in asker.backend.sessions


@pytest.mark.scenario("P-4")
async def test_the_state_of_a_backend_is_sealed_on_its_way_to_the_client_and_back():
    backend = ModernBackend()
    asks = {"resultType": "input_required", "inputRequests": {"name": {"method": "elicitation/create", "params": FORM}}}

    @backend.on("tools/call")
    async def rounds(call: Call):
        state = call.params.get("requestState")
        if state is None:
            return {**asks, "requestState": "step-1 of the secret plan"}
        assert call.params["inputResponses"] == {"name": ACCEPT}
        return text(state)

    async with asked_by(backend, headers={"X-Api-Key": "k"}) as (world, client):
        asked = await client.call("one_echo", {"b": 1, "a": [1.0, "ä"]})
        assert asked["inputRequests"] == asks["inputRequests"]
        assert "secret plan" not in json.dumps(asked)
        assert (await world.metrics())[PARKED] == 0
        arguments = {"a": [1, "\u00e4"], "b": 1}
        for _ in range(2):
            done = await go_on(client, asked, arguments=arguments)
            assert done["result"]["content"][0]["text"] == "step-1 of the secret plan"
        refused = (await go_on(client, asked, arguments={"b": 2}))["error"]
        assert (refused["code"], "another request" in refused["message"]) == (-32602, True)
        client.headers = {"X-Api-Key": "other"}
        refused = (await go_on(client, asked, arguments=arguments))["error"]
        assert (refused["code"], "another caller" in refused["message"]) == (-32602, True)
        assert len(backend.calls("tools/call")) == 3


async def test_a_backend_that_asks_for_what_is_not_declared_is_named_in_an_error():
    backend = ModernBackend()

    @backend.on("tools/call")
    async def rounds(_call: Call):
        return {"resultType": "input_required", "inputRequests": {"x": {"method": "roots/list"}}}

    for capabilities in ({}, ELICITS):
        async with asked_by(backend, capabilities) as (_, client):
            done = await client.call("one_echo")
            assert done["isError"]
            assert "one" in done["content"][0]["text"]
            assert "roots" in done["content"][0]["text"]


async def test_a_page_that_a_legacy_backend_wants_visited_first_is_asked_for_and_the_call_begins_anew():
    backend, visited = ScriptedBackend(), []

    @backend.on("tools/call")
    async def guarded(_call: Call):
        if not visited:
            raise Refusal(-32042, "visit first", {"elicitations": [PAGE]})
        return text("in")

    async with asked_by(backend, {"elicitation": {"url": {}}}) as (_, client):
        asked = await client.call("one_echo")
        assert list(asked["inputRequests"].values()) == [{"method": "elicitation/create", "params": PAGE}]
        assert "requestState" not in asked
        (key,) = asked["inputRequests"]
        declined = (await go_on(client, asked, answers={key: {"action": "decline"}}))["result"]
        assert declined["isError"]
        visited.append(True)
        assert (await go_on(client, asked))["result"]["content"][0]["text"] == "in"
    async with asked_by(backend, ELICITS) as (_, client):
        visited.clear()
        assert (await client.request("tools/call", {"name": "one_echo"}))["error"]["code"] == -32603


async def test_audit_tells_a_request_that_was_asked_something_from_one_that_is_done(tmp_path):
    asker, path = Asker("elicitation/create", FORM), tmp_path / "audit.log"
    async with asked_by(asker.backend, config=audited(path)) as (_, client):
        await go_on(client, await client.call("one_echo"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    calls = [line for line in lines if line["type"] == "mcp_tool_call"]
    assert [(line["outcome"], line.get("reason"), line["backend"], line["target"]["name"]) for line in calls] == [
        ("success", "input_required", "one", "one_echo"),
        ("success", None, "one", "one_echo"),
    ]


async def test_other_keys_end_what_waits_for_it_holds_headers_of_clients():
    asker = Asker("elicitation/create", FORM)
    async with asked_by(asker.backend) as (world, client):
        asked = await client.call("one_echo")
        world.inside.rotate(Keyring.random())
        await eventually(lambda: not tasks_named("call tools/call"))
        assert (await world.metrics())[PARKED] == 0
        refused = (await go_on(client, asked))["error"]
        assert (refused["code"], "none that was given out here" in refused["message"]) == (-32602, True)
        assert answer_of(await go_on(client, await client.call("one_echo")))["result"] == ACCEPT


async def test_a_proxy_that_ends_gives_up_what_waits_and_ends_its_sessions():
    asker = Asker("elicitation/create", FORM)
    async with asker.backend.running():
        # Of a backend that outlives the proxy.
        entry = http_backend("one", asker.backend.port)
        async with scene({}, extra=(entry,), config=QUIET) as world, RawClient(world.url) as client:
            client.capabilities = ELICITS
            done = await go_on(client, await client.call("one_echo"))
            assert "result" in done
            await asyncio.gather(*(client.call("one_echo") for _ in range(3)))
            assert len(asker.backend.sessions) >= 3
        assert asker.backend.sessions == set()


async def test_a_call_that_pauses_is_traced_as_what_its_first_request_has_begun():
    asker = Asker("elicitation/create", FORM)
    async with OtlpReceiver().running() as collector:
        async with asked_by(asker.backend, telemetry=telemetry(collector)) as (_, client):
            asked = await client.call("one_echo")
            assert "result" in await go_on(client, asked)
        spans = collector.spans
    servers = [each for each in spans if each.name == "tools/call one_echo"]
    (call,) = (each for each in spans if each.name == "tools/call echo")
    assert len(servers) == 2
    assert call.parent in {each.id for each in servers}
    assert call.status == "UNSET"


def tasks_named(*names):
    """The tasks of the proxy with one of these names."""
    return [task for task in asyncio.all_tasks() if task.get_name() in names]


@pytest.mark.scenario("P-3", "H-6")
@pytest.mark.timeout(180)
async def test_five_hundred_calls_that_their_clients_abandon_leave_nothing():
    backend = ScriptedBackend(tools=[tool("echo")])

    @backend.on("tools/call")
    async def hang(call: Call):
        await call.say({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": FORM})
        await asyncio.Event().wait()

    config = operational(
        failureHandling={"healthCheckInterval": "1h"}, limits={"connectionsPerBackend": 2000}, timeouts={"list": "60s"}
    )
    async with scene(
        {"one": backend}, config=config, passthroughHeaders=["X-Api-Key"], sessionManagement={"ttl": "200ms"}
    ) as world:
        for number in range(5):
            async with RawClient(world.url, {"X-Api-Key": f"{CANARY}-{number}"}) as client:
                client.capabilities = ELICITS
                came = await asyncio.gather(*(client.call("one_echo") for _ in range(100)))
                assert {each["resultType"] for each in came} == {"input_required"}
        assert (await world.metrics())[PARKED] == 500
        assert len(tasks_named("call tools/call")) == 500
        assert heap.held_with(CANARY.encode())
        world.inside.end_parked()
        await eventually(lambda: not world.inside.stateless)
        # Only the proxy's own session is left at the backend.
        await eventually(lambda: len(backend.sessions) <= 1)
        await eventually(lambda: not tasks_named("call tools/call", "listen one", "end session at one"))
        assert (await world.metrics())[PARKED] == 0
        await eventually(lambda: not heap.held_with(CANARY.encode()))
