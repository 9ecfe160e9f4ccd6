"""What a client sees of several backends: names, routing, missing backends, whole contents."""

import asyncio

import pytest

from tests.support import eras
from tests.support.modern_backend import ModernBackend
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Refusal, ScriptedBackend, text, tool
from tests.support.serving import http_backend
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.protocol.modern.envelope_keys import SUBSCRIPTION_ID

OUTCOMES = "vmcp.dev/serverOutcomes"


def named(name: str, *tools: str) -> ScriptedBackend:
    backend = ScriptedBackend(tools=[tool(each) for each in tools])

    @backend.on("tools/call")
    async def answer(call):
        return text(f"{name}:{call.params['name']}")

    return backend


def said(result):
    return result["content"][0]["text"]


@pytest.mark.scenario("A-1")
async def test_a_tool_of_two_backends_is_served_under_both_prefixes_and_unknown_without():
    async with (
        scene({"east": named("east", "find"), "west": named("west", "find")}) as world,
        world.session() as client,
    ):
        assert await client.names() == ["east_find", "west_find"]
        assert said(await client.call("east_find")) == "east:find"
        assert said(await client.call("west_find")) == "west:find"
        answer = await client.request("tools/call", {"name": "find"})
        assert answer["error"] == {"code": -32602, "message": "Unknown tool: find"}


@pytest.mark.scenario("A-2")
async def test_priority_serves_a_shared_tool_once_from_the_first_in_order_and_reports_the_loser():
    aggregation = {"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": ["west", "east"]}}
    backends = {"east": named("east", "find", "only_east"), "west": named("west", "find", "only_west")}
    async with scene(backends, config={"aggregation": aggregation}) as world, world.session() as client:
        assert await client.names() == ["find", "only_east", "only_west"]
        assert said(await client.call("find")) == "west:find"
        assert said(await client.call("only_east")) == "east:only_east"
        assert backends["east"].calls("tools/call")[0].message["params"]["name"] == "only_east"
        conflicts = (await world.status())["conflicts"]
        assert conflicts == [{"kind": "tool", "name": "find", "winner": "west", "losers": ["east"]}]


@pytest.mark.scenario("A-10")
async def test_a_dead_a_hanging_and_a_half_broken_backend_cost_only_their_own_entries():
    fine, hanging, half = named("fine", "a"), named("hanging", "b"), named("half", "c")
    half.prompts = [{"name": "p"}]
    hold = asyncio.Event()

    @hanging.on("tools/list")
    async def hang(call):
        await hold.wait()
        return {"tools": []}

    @half.on("prompts/list")
    async def refuse(call):
        raise Refusal(-32603, "no prompts today")

    dead = http_backend("dead", 1)
    async with (
        scene(
            {"fine": fine, "half": half, "hanging": hanging},
            extra=(dead,),
            config=operational(timeouts={"list": "300ms"}),
        ) as world,
        world.session() as client,
    ):
        listed = await client.result("tools/list")
        assert [each["name"] for each in listed["tools"]] == ["fine_a", "half_c"]
        outcomes = listed["_meta"][OUTCOMES]
        assert {name: each["status"] for name, each in outcomes.items()} == {
            "dead": "unreachable",
            "half": "incomplete",
            "hanging": "timeout",
        }
        assert "prompts/list" in outcomes["half"]["message"]
        assert said(await client.call("fine_a")) == "fine:a"
        assert "127.0.0.1" not in str(outcomes)
        missed = (await world.metrics())['vmcp_list_deadline_missed_total{backend="hanging"}']
        assert missed >= 1
        hold.set()


@pytest.mark.scenario("A-10")
async def test_a_backend_that_hangs_is_waited_for_once_and_its_tools_come_when_it_answers():
    fine, slow = named("fine", "a"), named("slow", "b")
    hold = asyncio.Event()

    @slow.on("tools/list")
    async def hang(call):
        await hold.wait()
        return {"tools": [tool("b")]}

    async with (
        scene({"fine": fine, "slow": slow}, config=operational(timeouts={"list": "200ms"})) as world,
        world.session() as client,
    ):
        for _ in range(3):
            assert await client.names() == ["fine_a"]
        assert (await world.metrics())['vmcp_list_deadline_missed_total{backend="slow"}'] == 1
        async with client.listening() as stream:
            hold.set()
            await stream.until("notifications/tools/list_changed")
        assert await client.names() == ["fine_a", "slow_b"]


@pytest.mark.scenario("A-11")
@pytest.mark.parametrize("backend_era", list(Era), ids=lambda era: f"backend {era.value}")
async def test_meta_travels_both_ways_except_for_the_keys_of_each_hop(both_eras, backend_era):
    backend = ScriptedBackend() if backend_era is Era.LEGACY else ModernBackend()

    @backend.on("tools/call")
    async def answer(call):
        meta = {
            "example.com/out": {"n": 12345678901234567890},
            "io.modelcontextprotocol/of-an-extension": {"out": 1},
            "vmcp.dev/backend": "forged",
            eras.SERVER: {"name": "forged", "version": "1"},
            SUBSCRIPTION_ID: "forged",
            "io.modelcontextprotocol/related-task": {"taskId": "t"},
        }
        return text("ok", _meta=meta)

    async with scene({"one": backend}) as world, world.client() as client:
        await client.open()
        meta = {
            "example.com/in": ["x"],
            "io.modelcontextprotocol/of-an-extension": {"in": 1},
            "io.modelcontextprotocol/related-task": {"taskId": "t"},
            "vmcp.dev/spoof": 1,
            eras.CLIENT: {"name": "a client", "version": "1"},
            "IO.ModelContextProtocol/clientInfo": {"name": "forged"},
            "traceparent": "t",
        }
        came = (await client.call("one_echo", _meta=meta))["_meta"]
    server = came.pop(eras.SERVER, {"name": "vmcp"})
    assert server["name"] not in {"forged", "scripted"}
    assert came == {
        "example.com/out": {"n": 12345678901234567890},
        "io.modelcontextprotocol/of-an-extension": {"out": 1},
    }
    sent = backend.calls("tools/call")[0].message["params"]["_meta"]
    envelope = {key: sent.pop(key) for key in (eras.VERSION, eras.CAPABILITIES, eras.CLIENT) if key in sent}
    assert bool(envelope) == (backend_era is Era.MODERN)
    assert envelope.get(eras.CLIENT, {"name": "vmcp"})["name"] == "vmcp"
    assert sent == {
        "example.com/in": ["x"],
        "io.modelcontextprotocol/of-an-extension": {"in": 1},
        "traceparent": "t",
    }


@pytest.mark.scenario("A-12")
@pytest.mark.parametrize("answers_events", [False, True])
async def test_every_kind_of_content_passes_byte_for_byte(answers_events):
    raw = (
        b'{"structuredContent":{"z":1.0,"a":18446744073709551616,"n":null},"content":['
        b'{"type":"text","text":"caf\\u00e9 \\ud83d\\ude00 \xe2\x82\xac","annotations":{"priority":0.50}},'
        b'{"type":"image","data":"aGk=","mimeType":"image/png"},{"type":"audio","data":"aGk=","mimeType":"audio/wav"},'
        b'{"type":"resource","resource":{"uri":"test://e","text":"t","_meta":{"k":null}}},'
        b'{"type":"resource_link","uri":"test://l","name":"l"},{"type":"hologram","depth":3,"unknown":[1,{}]}],'
        b'"isError":false,"futureField":{"b":1,"a":2}}'
    )
    backend = ScriptedBackend(tools=[tool("echo")], answers_events=answers_events, chunk=3 if answers_events else 0)

    @backend.on("tools/call")
    async def answer(call):
        return raw

    async with scene({"one": backend}) as world, world.session() as client:
        message = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "one_echo"}}
        assert raw in (await client.post(message)).content
