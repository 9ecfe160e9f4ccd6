"""Composite tools through the whole proxy: what clients see of them, and what becomes of their calls."""

import asyncio
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_server_requests import reply
from tests.support.callers import ByClaims, token_of
from tests.support.raw_client import eventually, until_code
from tests.support.scene import scene
from tests.support.scripted_backend import Call, Refusal, ScriptedBackend, text, tool

ECHO = {"id": "say", "tool": "one_echo", "arguments": {"text": "{{.params.text}}"}}
ELSEWHERE = [{"id": "say", "tool": "one.other"}]
OPEN = {"type": "object", "properties": {"text": {"type": "string"}}}
TEXT = {**OPEN, "required": ["text"]}


def composite(name: str = "repeat", steps=(ECHO,), **more) -> dict:
    return {"name": name, "description": f"does {name}", "parameters": OPEN, "steps": list(steps), **more}


def having(*tools: dict, **more) -> dict:
    """The config of a proxy with these composite tools."""
    return {**QUIET, "compositeTools": list(tools), **more}


def echoing(*tools: dict) -> ScriptedBackend:
    """Answers each call with its arguments, as text and structured."""
    backend = ScriptedBackend(tools=list(tools) or [tool("echo"), tool("hidden")])

    @backend.on("tools/call")
    async def answer(call: Call) -> dict:
        given = call.params.get("arguments", {})
        return text(json.dumps(given), structuredContent={"given": given, "tool": call.params["name"]})

    return backend


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("W-1")
async def test_a_composite_tool_is_listed_and_its_steps_call_the_backends():
    merged = composite(
        "merge",
        [
            {"id": "a", "tool": "one_echo", "arguments": {"text": "{{.params.text}}"}},
            {"id": "b", "tool": "two.echo", "arguments": {"n": "{{ params.n }}"}},
        ],
        parameters={
            "type": "object",
            "properties": {"text": {"type": "string"}, "n": {"type": "integer", "default": 3}},
        },
        output={
            "properties": {
                "text": {"type": "string", "value": "{{.steps.a.output.given.text}}"},
                "n": {"type": "integer", "value": "{{ steps.b.output.given.n }}"},
            }
        },
    )
    config = having(merged, aggregation={"tools": [{"workload": "two", "excludeAll": True}]})
    async with scene({"one": echoing(), "two": echoing()}, config=config) as world, world.session() as client:
        listed = {each["name"]: each for each in (await client.result("tools/list"))["tools"]}
        assert sorted(listed) == ["merge", "one_echo", "one_hidden"]
        assert listed["merge"]["description"] == "does merge"
        assert listed["merge"]["inputSchema"]["properties"]["n"] == {"type": "integer", "default": 3}
        assert listed["merge"]["outputSchema"]["properties"]["n"] == {"type": "integer"}
        assert listed["merge"]["annotations"] == {
            "readOnlyHint": False,
            "destructiveHint": True,
            "idempotentHint": False,
            "openWorldHint": True,
        }
        result = await client.call("merge", {"text": "hi"})
        assert result["structuredContent"] == {"text": "hi", "n": 3}
        assert json.loads(result["content"][0]["text"]) == {"text": "hi", "n": 3}
        assert not result.get("isError")
        status = await world.status()
        assert status["counts"]["tools"] == 3
        assert status["conflicts"] == []


@pytest.mark.usefixtures("both_eras")
async def test_without_an_output_the_result_of_the_last_step_comes_as_it_is():
    async with scene({"one": echoing()}, config=having(composite())) as world, world.session() as client:
        assert await client.call("repeat", {"text": "x"}) == await client.call("one_echo", {"text": "x"})


@pytest.mark.usefixtures("both_eras")
async def test_arguments_that_do_not_fit_are_refused_by_their_path_and_nothing_is_called():
    backend = echoing()
    config = having(composite(parameters=TEXT))
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        for arguments, said in (({"text": 3}, "arguments.text: "), ({}, "arguments: "), (None, "arguments: ")):
            answer = await client.request("tools/call", {"name": "repeat", "arguments": arguments})
            assert answer["error"]["code"] == -32602
            assert said in answer["error"]["message"]
        answer = await client.request("tools/call", {"name": "repeat", "arguments": [1]})
        assert answer["error"]["code"] == -32602
        assert backend.calls("tools/call") == []


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("W-4")
async def test_a_failed_step_is_named_with_its_reason_and_what_runs_beside_it_is_cancelled():
    backend, cancelled = ScriptedBackend(tools=[tool("bad"), tool("slow")]), asyncio.Event()
    begun = asyncio.Event()

    @backend.on("tools/call")
    async def answer(call: Call) -> dict:
        if call.params["name"] == "slow":
            begun.set()
            await asyncio.Event().wait()
        await begun.wait()
        raise Refusal(-32000, "disk full")

    @backend.on("notifications/cancelled")
    async def hear(call: Call) -> dict:
        cancelled.set()
        return {}

    steps = [{"id": "x", "tool": "one_bad"}, {"id": "y", "tool": "one_slow"}]
    async with scene({"one": backend}, config=having(composite(steps=steps))) as world, world.session() as client:
        result = await client.call("repeat")
        assert result["isError"] is True
        assert result["content"][0]["text"] == "Workflow 'repeat': step 'x' failed: disk full"
        await asyncio.wait_for(cancelled.wait(), 30)


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("W-10")
async def test_a_composite_promises_what_the_worst_of_its_steps_does_and_not_more_once_a_step_does_worse():
    reads = {"readOnlyHint": True, "openWorldHint": False}
    backend = echoing(tool("look", annotations=reads), tool("clean", annotations={"destructiveHint": True}))
    looks, cleans = ([{"id": name, "tool": f"one_{name}"}] for name in ("look", "clean"))
    config = having(
        composite("looks", looks, annotations={"readOnlyHint": True}),
        composite("cleans", [*looks, *cleans], annotations={"title": "Clean up"}),
        composite("liar", [*looks, *cleans], annotations={"destructiveHint": False}),
    )
    async with scene({"one": backend}, config=config) as world, world.session() as client:

        async def said() -> dict:
            tools = (await client.result("tools/list"))["tools"]
            return {each["name"]: each["annotations"] for each in tools if not each["name"].startswith("one_")}

        fine = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
        worst = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True}
        assert await said() == {"looks": fine, "cleans": {"title": "Clean up", **worst}}
        backend.tools[0] = tool("look", annotations={"readOnlyHint": False})
        await eventually(lambda: backend.streams)
        backend.push("notifications/tools/list_changed")
        # Its definition promises what the step does not keep any more.
        await until_code(client, client.asking("tools/call", {"name": "looks"}), -32602)
        assert await said() == {"cleans": {"title": "Clean up", **worst}}


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("W-9")
async def test_a_name_that_a_tool_has_hidden_or_not_withholds_the_composite_alone():
    config = having(
        composite("one_echo", ELSEWHERE),
        composite("one_hidden", ELSEWHERE),
        composite("fine"),
        composite("lacking", [{"id": "a", "tool": "one_gone"}]),
        composite("liar", annotations={"readOnlyHint": True}),
        aggregation={"tools": [{"workload": "one", "filter": ["echo"]}]},
    )
    async with scene({"one": echoing()}, config=config) as world, world.session() as client:
        assert await client.names("tools") == ["fine", "one_echo"]
        assert (await client.call("one_echo", {"text": "x"}))["structuredContent"]["tool"] == "echo"
        for name in ("one_hidden", "liar"):
            assert (await client.request("tools/call", {"name": name}))["error"]["message"] == f"Unknown tool: {name}"
        status = await world.status()
        assert [(each["name"], each["winner"], each["losers"]) for each in status["conflicts"]] == [
            ("one_echo", "one", ["compositeTools"]),
            ("one_hidden", "one", ["compositeTools"]),
        ]
        [dropped] = status["droppedTools"]
        assert dropped["name"] == "liar"
        assert "readOnlyHint" in dropped["reason"]
        assert {"backend": "", "setting": "compositeTools", "name": "lacking: one_gone"} in status["unmatched"]
        # It may be there when its step is, so that it can be called.
        result = await client.call("lacking")
        assert result["content"][0]["text"] == "Workflow 'lacking': step 'a' failed: there is no such tool"


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-5")
@pytest.mark.scenario("A-6")
async def test_the_composite_and_every_step_is_authorised_unless_it_says_otherwise():
    policies = [
        'permit(principal, action, resource == Tool::"repeat");',
        'permit(principal, action, resource == Tool::"alone");',
        'permit(principal, action, resource) when { principal has claim_role && principal.claim_role == "dev" };',
        'forbid(principal, action, resource == Tool::"one_echo") when { context.arg_text == "bad" };',
    ]
    config = having(composite(), composite("alone", authorizeSteps=False))
    auth = {"authorization": {"policies": policies}, "name": "p"}
    backend = echoing()
    async with scene({"one": backend}, config=config, **auth) as world:
        with world.inside.authenticated_by(ByClaims()):
            world.apply()
            async with world.session(authorization=token_of("dev", role="dev")) as dev:
                assert await dev.names("tools") == ["alone", "one_echo", "one_hidden", "repeat"]
                assert (await dev.call("repeat", {"text": "x"}))["structuredContent"]["given"] == {"text": "x"}
                result = await dev.call("repeat", {"text": "bad"})
                assert "this caller may not" in result["content"][0]["text"]
            async with world.session(authorization=token_of("guest")) as guest:
                assert await guest.names("tools") == ["alone"]
                assert (await guest.request("tools/call", {"name": "repeat"}))["error"]["code"] == 403
                assert (await guest.request("tools/call", {"name": "one_echo"}))["error"]["code"] == 403
                heard = len(backend.calls("tools/call"))
                assert (await guest.call("alone", {"text": "bad"}))["structuredContent"]["given"] == {"text": "bad"}
                assert len(backend.calls("tools/call")) == heard + 1


@pytest.mark.usefixtures("both_eras")
async def test_each_step_takes_a_token_of_its_tool_and_the_composite_one_of_its_own():
    limits = {"tools": [{"name": "one_echo", "shared": {"maxTokens": 1, "refillPeriod": "1h"}}]}
    twice = composite(steps=[ECHO, {**ECHO, "id": "again", "dependsOn": ["say"]}])
    async with (
        scene({"one": echoing()}, config=having(twice, rateLimiting=limits)) as world,
        world.session() as client,
    ):
        result = await client.call("repeat", {"text": "x"})
        text = result["content"][0]["text"]
        assert "step 'again' failed: it is called more often than it may be; try again in 3600 s" in text


@pytest.mark.usefixtures("both_eras")
async def test_limits_of_a_tool_that_steps_alone_reach_hold_and_only_those_that_nothing_reaches_are_told():
    def once(name: str) -> dict:
        return {"name": name, "shared": {"maxTokens": 1, "refillPeriod": "1h"}}

    names = ("one_hidden", "one_unused", "one.hidden", "one_gone", "repeat", "one_echo")
    hidden = composite(steps=[{"id": "a", "tool": "one.hidden"}, {"id": "b", "tool": "one_hidden", "dependsOn": ["a"]}])
    # Its name is a tool's, so that its step is never called.
    withheld = composite("one_echo", [{"id": "a", "tool": "one_unused"}])
    config = having(
        hidden,
        withheld,
        rateLimiting={"tools": [once(name) for name in names]},
        aggregation={"tools": [{"workload": "one", "filter": ["echo"]}]},
    )
    backend = echoing(tool("echo"), tool("hidden"), tool("unused"))
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        assert await client.names("tools") == ["one_echo", "repeat"]
        unmatched = [each["name"] for each in (await world.status())["unmatched"]]
        assert unmatched == ["one_unused", "one.hidden", "one_gone"]
        result = await client.call("repeat")
        assert "step 'b' failed: it is called more often than it may be" in result["content"][0]["text"]


@pytest.mark.usefixtures("both_eras")
async def test_progress_is_told_for_each_step_that_is_over_under_the_clients_own_token():
    twice = composite(steps=[ECHO, {**ECHO, "id": "again", "dependsOn": ["say"]}])
    async with scene({"one": echoing()}, config=having(twice)) as world, world.session() as client:
        params = {"name": "repeat", "arguments": {"text": "x"}, "_meta": {"progressToken": "mine"}}
        async with client.posting("tools/call", params) as stream:
            told = await stream.until("notifications/progress", 2)
            await stream.answer()
        assert [each["params"] for each in told] == [
            {"progressToken": "mine", "progress": 1, "total": 2, "message": "say: completed"},
            {"progressToken": "mine", "progress": 2, "total": 2, "message": "again: completed"},
        ]


@pytest.mark.scenario("W-6")
@pytest.mark.parametrize(
    ("capabilities", "answer", "said"),
    [
        ({"elicitation": {}}, {"action": "accept", "content": {"sure": True}}, {"sure": True}),
        ({"elicitation": {"form": {}}}, {"action": "decline"}, "the question was declined"),
        ({"elicitation": {}}, {"action": "cancel"}, "the question was dismissed"),
        ({"elicitation": {"url": {}}}, None, "the client takes no questions"),
        ({}, None, "the client takes no questions"),
    ],
)
async def test_an_elicitation_step_asks_the_client_on_the_stream_of_the_call(capabilities, answer, said):
    schema = {"type": "object", "properties": {"sure": {"type": "boolean"}}, "required": ["sure"]}
    ask = {"id": "ask", "type": "elicitation", "message": "Deploy {{.params.text}}?", "schema": schema}
    output = {"properties": {"answer": {"type": "object", "value": "{{ steps.ask.output.content }}"}}}
    config = having(composite(steps=[ask], output=output, parameters=TEXT))
    async with scene({"one": echoing()}, config=config) as world, world.client() as client:
        await client.open(capabilities)
        params = {"name": "repeat", "arguments": {"text": "it"}}
        if answer is None:
            result = await client.result("tools/call", params)
        else:
            async with client.posting("tools/call", params) as stream:
                [request] = await stream.until("elicitation/create")
                # Clients say which server asks, and not which of its tools.
                assert request["params"] == {"message": "repeat: Deploy it?", "requestedSchema": schema}
                await reply(client, request, result=answer)
                result = (await stream.answer())["result"]
        if isinstance(said, dict):
            assert result["structuredContent"] == {"answer": said}
        else:
            assert result["isError"] is True
            assert said in result["content"][0]["text"]


@pytest.mark.usefixtures("both_eras")
async def test_a_running_workflow_ends_by_its_definition_and_the_next_call_has_the_new_one():
    backend, go = ScriptedBackend(tools=[tool("echo")]), asyncio.Event()

    @backend.on("tools/call")
    async def answer(call: Call) -> dict:
        await go.wait()
        return text(call.params["arguments"]["text"])

    def saying(words: str) -> dict:
        step = {"id": "first", "tool": "one_echo", "arguments": {"text": "x"}}
        return having(
            composite(
                steps=[step, {"id": "then", "tool": "one_echo", "dependsOn": ["first"], "arguments": {"text": words}}]
            )
        )

    async with scene({"one": backend}, config=saying("old")) as world, world.session() as client:
        running = asyncio.create_task(client.call("repeat"))
        await eventually(lambda: backend.calls("tools/call"))
        world.apply(config=saying("new"))
        go.set()
        assert (await running)["content"][0]["text"] == "old"
        assert (await client.call("repeat"))["content"][0]["text"] == "new"
        world.apply(config=having())
        assert await client.names("tools") == ["one_echo"]


async def test_a_call_that_is_cancelled_ends_its_workflow_and_the_backend_hears_it():
    backend, cancelled = ScriptedBackend(tools=[tool("echo")]), asyncio.Event()

    @backend.on("tools/call")
    async def hang(call: Call) -> dict:
        await asyncio.Event().wait()
        return {}

    @backend.on("notifications/cancelled")
    async def hear(call: Call) -> dict:
        cancelled.set()
        return {}

    async with scene({"one": backend}, config=having(composite())) as world, world.session() as client:
        asking = client.asking("tools/call", {"name": "repeat", "arguments": {"text": "x"}})
        async with client.sending(asking):
            await eventually(lambda: backend.calls("tools/call"))
            [call] = world.inside.client.in_flight.values()
            await client.post(
                {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": json.loads(call)}}
            )
            await asyncio.wait_for(cancelled.wait(), 30)
        await eventually(lambda: not world.inside.client.in_flight)


async def test_a_trace_is_given_to_who_asks_for_it_without_arguments_or_tools():
    steps = [ECHO, {"id": "never", "tool": "one_hidden", "condition": "false", "dependsOn": ["say"]}]
    async with scene({"one": echoing()}, config=having(composite(steps=steps))) as world, world.session() as client:
        params = {"name": "repeat", "arguments": {"text": "secret"}, "_meta": {"vmcp.dev/trace": True}}
        result = await client.result("tools/call", params)
        trace = result["_meta"]["vmcp.dev/trace"]
        assert trace["workflow"] == "repeat"
        assert [(each["id"], each["status"], each["attempts"], each["dependsOn"]) for each in trace["steps"]] == [
            ("say", "completed", 1, []),
            ("never", "skipped", 0, ["say"]),
        ]
        assert "secret" not in json.dumps(trace)
        assert "one_" not in json.dumps(trace)
        assert "_meta" not in await client.call("repeat", {"text": "x"})
