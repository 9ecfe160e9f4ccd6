"""Tool search through the whole proxy: what clients list, what they find, and what becomes of the calls."""

import asyncio
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_composites import composite
from tests.support import heap
from tests.support.callers import ByClaims, token_of
from tests.support.raw_client import WAIT_SECONDS, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import Call, ScriptedBackend, text, tool
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.search.lists.listing import Served

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
ISSUE = {**tool("create_issue"), "description": "Opens a new issue in a repository", "inputSchema": SCHEMA}
MAIL = {**tool("send_mail"), "description": "Sends an e-mail message to a person"}


def shop(*more: dict, count: int = 24) -> ScriptedBackend:
    """A backend with many tools of no interest and two that can be told apart; it answers with what it has heard."""
    fillers = (tool(f"filler{number:02}") for number in range(count))
    backend = ScriptedBackend(tools=[*fillers, ISSUE, MAIL, *more])

    @backend.on("tools/call")
    async def answer(call: Call) -> dict:
        return text(json.dumps({"tool": call.params["name"], "given": call.params.get("arguments")}))

    return backend


def searching(config: dict | None = None, **settings) -> dict:
    """The config of a proxy that searches."""
    return {**QUIET, "optimizer": settings, **(config or {})}


def heard_by(result: dict) -> dict:
    return json.loads(result["content"][0]["text"])


async def tell_changed(backend: ScriptedBackend) -> None:
    """Has the backend say that its tools are others, once somebody hears it."""
    await eventually(lambda: backend.streams)
    backend.push("notifications/tools/list_changed")


async def found(client, query: str, **more) -> list[str]:
    """What a search has found that has more than a little in common with the query."""
    answer = await client.call("find_tool", {"query": query, **more})
    return [each["name"] for each in answer["structuredContent"]["tools"] if not each.get("weak")]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-1")
async def test_many_tools_are_listed_as_two_and_those_that_stay_visible():
    config = searching(alwaysVisible=["one_send_mail", "one_none"])
    async with scene({"one": shop()}, config=config) as world, world.session() as client:
        tools = {each["name"]: each for each in (await client.result("tools/list"))["tools"]}
        assert sorted(tools) == ["call_tool", "find_tool", "one_send_mail"]
        assert "(backends: one)" in tools["find_tool"]["description"]
        before = await client.result("tools/list")
        await found(client, "open an issue")
        assert (await client.result("tools/list"))["tools"] == before["tools"]
        world.apply(config=searching(threshold=27))
        assert len(await client.names()) == 26
        world.apply(config=searching(enabled=False, threshold=0))
        assert len(await client.names()) == 26
        world.apply(config=searching())
        assert await client.names() == ["call_tool", "find_tool"]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-2")
async def test_a_search_brings_tools_with_their_schemas_and_one_of_them_is_called():
    async with scene({"one": shop()}, config=searching()) as world, world.session() as client:
        answer = await client.call("find_tool", {"query": "open an issue in the repository"})
        first = answer["structuredContent"]["tools"][0]
        assert (first["name"], first["backend"], first["rank"]) == ("one_create_issue", "one", 1)
        assert first["inputSchema"]["required"] == ["title"]
        assert json.loads(answer["content"][0]["text"]) == answer["structuredContent"]
        result = await client.call("call_tool", {"name": first["name"], "arguments": {"title": "x"}})
        assert heard_by(result) == {"tool": "create_issue", "given": {"title": "x"}}
        same = await client.call("one_create_issue", {"title": "x"})
        assert same == result


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-3")
async def test_each_caller_finds_and_calls_what_policies_let_it():
    dev = 'principal has claim_role && principal.claim_role == "dev"'
    policies = [
        f"permit(principal, action, resource) when {{ {dev} }};",
        'permit(principal, action, resource == Tool::"one_send_mail");',
    ]
    auth = {"authorization": {"policies": policies}, "name": "p"}
    backend = shop()
    async with scene({"one": backend}, config=searching(threshold=1), **auth) as world:
        with world.inside.authenticated_by(ByClaims()):
            world.apply()
            async with (
                world.session(authorization=token_of("ann", role="dev")) as ann,
                world.session(authorization=token_of("guest")) as guest,
            ):
                assert await found(ann, "open an issue") == ["one_create_issue"]
                assert await guest.names() == ["call_tool", "find_tool"]
                assert await found(guest, "open an issue") == []
                answer = (await guest.call("find_tool", {"query": "send a message"}))["structuredContent"]
                assert [each["name"] for each in answer["tools"]] == ["one_send_mail"]
                assert answer["searched"] == 1
                hidden = await guest.call("call_tool", {"name": "one_create_issue"})
                missing = await guest.call("call_tool", {"name": "one_create_things"})
                assert hidden["isError"]
                assert missing["content"][0]["text"].replace("things", "issue") == hidden["content"][0]["text"]
                assert backend.calls("tools/call") == []
                assert "send_mail" in heard_by(await guest.call("call_tool", {"name": "one_send_mail"}))["tool"]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-4")
async def test_a_call_takes_one_token_of_the_tool_and_a_search_one_of_its_own():
    def once(name: str) -> dict:
        return {"name": name, "shared": {"maxTokens": 1, "refillPeriod": "1h"}}

    limits = {"shared": {"maxTokens": 4, "refillPeriod": "1h"}, "tools": [once("one_create_issue"), once("find_tool")]}
    async with (
        scene({"one": shop()}, config=searching({"rateLimiting": limits})) as world,
        world.session() as client,
    ):
        await client.names()
        wanted = {"name": "one_create_issue", "arguments": {"title": "x"}}
        assert "create_issue" in heard_by(await client.call("call_tool", wanted))["tool"]
        again = await client.request("tools/call", {"name": "call_tool", "arguments": wanted})
        assert "This tool is called more often than it may be" in again["error"]["message"]
        assert await found(client, "open an issue") == ["one_create_issue"]
        again = await client.request("tools/call", {"name": "find_tool", "arguments": {"query": "x"}})
        assert "This tool is called more often than it may be" in again["error"]["message"]
        # Of the four that all requests share, two are left: what was refused has taken none.
        for _ in range(2):
            assert "result" in await client.request("tools/call", {"name": "one_send_mail"})
        again = await client.request("tools/call", {"name": "one_send_mail"})
        assert "This endpoint is asked more often" in again["error"]["message"]
        unmatched = [each["name"] for each in (await world.status())["unmatched"]]
        assert unmatched == []


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-5")
async def test_wrong_arguments_and_names_bring_what_the_next_try_needs():
    backend = shop()

    @backend.on("tools/call")
    async def refuse(call: Call) -> dict:
        return text("title is required", isError=True)

    async with scene({"one": backend}, config=searching()) as world, world.session() as client:
        wrong = await client.call("call_tool", {"name": "one_create_issue", "arguments": {"name": "x"}})
        first, second = (each["text"] for each in wrong["content"])
        assert first == "title is required"
        assert json.dumps(SCHEMA).replace(" ", "") in second.replace(" ", "")
        unknown = await client.call("call_tool", {"name": "create_isue"})
        assert unknown["isError"]
        assert "one_create_issue" in unknown["content"][0]["text"]
        for arguments in ({}, {"name": "call_tool"}):
            refused = await client.call("call_tool", arguments)
            assert refused["isError"]
        assert (await client.call("find_tool", {}))["isError"]
        assert len(backend.calls("tools/call")) == 1


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-4")
async def test_progress_comes_under_the_clients_own_token():
    backend = shop()

    @backend.on("tools/call")
    async def report(call: Call) -> dict:
        await call.notify("notifications/progress", progressToken=call.params["_meta"]["progressToken"], progress=1)
        return text("done")

    async with scene({"one": backend}, config=searching()) as world, world.session() as client:
        params = {"name": "call_tool", "arguments": {"name": "one_send_mail"}, "_meta": {"progressToken": "mine"}}
        async with client.posting("tools/call", params) as stream:
            [told] = await stream.until("notifications/progress")
            await stream.answer()
        assert told["params"] == {"progressToken": "mine", "progress": 1}


@pytest.mark.scenario("T-4")
async def test_a_call_that_is_cancelled_is_cancelled_at_the_backend():
    backend, cancelled = shop(), asyncio.Event()

    @backend.on("tools/call")
    async def hang(call: Call) -> dict:
        await asyncio.Event().wait()
        return {}

    @backend.on("notifications/cancelled")
    async def hear(call: Call) -> dict:
        cancelled.set()
        return {}

    async with scene({"one": backend}, config=searching()) as world, world.session() as client:
        asking = client.asking("tools/call", {"name": "call_tool", "arguments": {"name": "one_send_mail"}})
        async with client.sending(asking):
            await eventually(lambda: backend.calls("tools/call"))
            [call] = world.inside.client.in_flight.values()
            await client.post(
                {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": json.loads(call)}}
            )
            await asyncio.wait_for(cancelled.wait(), WAIT_SECONDS)


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-6")
async def test_composites_and_overridden_texts_are_found_and_steps_know_no_tool_of_ours():
    steps = [{"id": "a", "tool": "one_create_issue", "arguments": {"title": "x"}}]
    tools = [
        composite("deploy", steps, description="Rolls out a release to production"),
        composite("inside", [{"id": "a", "tool": "call_tool"}]),
    ]
    overrides = {"filler00": {"description": "Brews coffee"}}
    aggregation = {"tools": [{"workload": "one", "overrides": overrides, "filter": ["filler00", "create_issue"]}]}
    config = searching({"compositeTools": tools, "aggregation": aggregation}, threshold=1)
    async with scene({"one": shop()}, config=config) as world, world.session() as client:
        assert await client.names() == ["call_tool", "find_tool"]
        answer = (await client.call("find_tool", {"query": "roll out a release"}))["structuredContent"]
        assert (answer["tools"][0]["name"], "backend" in answer["tools"][0]) == ("deploy", False)
        assert await found(client, "brew some coffee") == ["one_filler00"]
        assert await found(client, "send a mail") == []
        assert heard_by(await client.call("call_tool", {"name": "deploy"}))["tool"] == "create_issue"
        assert "inside: call_tool" in [each["name"] for each in (await world.status())["unmatched"]]
        wrong = await client.call("call_tool", {"name": "inside"})
        assert wrong["isError"]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-6")
async def test_a_live_change_is_found_and_only_another_list_is_told():
    backend, two = shop(), shop({**tool("brew"), "description": "Brews coffee"}, count=0)
    async with scene({"one": backend}, config=searching()) as world, world.session() as client:
        assert await found(client, "brew coffee") == []
        first = await client.result("tools/list")
        backend.tools = [*backend.tools, {**tool("kettle"), "description": "Boils water for tea"}]
        await tell_changed(backend)
        async with asyncio.timeout(WAIT_SECONDS):
            while await found(client, "boil water") != ["one_kettle"]:  # noqa: ASYNC110 - nobody hears of it
                await asyncio.sleep(0.01)
        assert (await client.result("tools/list"))["tools"] == first["tools"]
        async with two.running():
            world.apply({"one": backend, "two": two})
            async with asyncio.timeout(WAIT_SECONDS):
                while await found(client, "brew coffee") != ["two_brew"]:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
            assert (await client.result("tools/list"))["tools"] != first["tools"]


@pytest.mark.scenario("T-6")
async def test_a_tool_of_a_backend_with_our_name_is_told_and_called_through_ours():
    backend = shop({**tool("call_tool"), "description": "Rings a bell"})
    config = searching({"aggregation": {"conflictResolution": "manual"}})
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        assert await client.names() == ["call_tool", "find_tool"]
        assert (await found(client, "ring a bell"))[0] == "call_tool"
        result = await client.call("call_tool", {"name": "call_tool", "arguments": {"loud": True}})
        assert heard_by(result) == {"tool": "call_tool", "given": {"loud": True}}
        told = {"kind": "tool", "name": "call_tool", "winner": "optimizer", "losers": ["one"]}
        assert (await world.status())["conflicts"] == [told]
        world.apply(config={**QUIET, "aggregation": {"conflictResolution": "manual"}})
        assert heard_by(await client.call("call_tool", {"loud": True}))["given"] == {"loud": True}
        assert (await world.status())["conflicts"] == []


@pytest.mark.scenario("T-6")
async def test_a_tool_with_our_name_that_a_new_backend_brings_is_called_without_a_list_that_shows_it():
    backend, two = shop(), shop(tool("call_tool"), count=0)
    config = searching({"aggregation": {"conflictResolution": "manual"}}, threshold=100)
    async with scene({"one": backend}, config=config) as world, world.session() as client, two.running():
        assert heard_by(await client.call("call_tool", {"name": "send_mail"}))["tool"] == "send_mail"
        two.tools = two.tools[-1:]
        world.apply({"one": backend, "two": two})
        async with asyncio.timeout(WAIT_SECONDS):
            while "isError" in (answer := await client.call("call_tool", {"loud": True})):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        assert heard_by(answer) == {"tool": "call_tool", "given": {"loud": True}}


async def test_the_instructions_are_those_of_the_backends_that_are_searched():
    backend = shop()
    backend.instructions = "Ask before you send mail."
    async with scene({"one": backend}, config=searching()) as world, world.client() as client:
        assert "Ask before you send mail." in (await client.open())["instructions"]


async def test_what_a_search_has_found_goes_with_the_session():
    async with scene({"one": shop()}, config=searching()) as world, world.session() as client:
        await found(client, "open an issue")
        held = world.inside.client
        assert held.last_found[0] == "one_create_issue"
        await client.delete()
        await eventually(lambda: held.last_found == ())


@pytest.mark.scenario("H-6")
async def test_a_search_keeps_no_list_that_a_backend_had_for_the_headers_of_clients_that_are_gone():
    backend = shop()
    little = operational(**QUIET["operational"], limits={"catalogBytes": 60_000})

    @backend.on("tools/list")
    async def own(call: Call) -> dict:
        tenant = call.heard.headers.get("x-tenant", "nobody")
        return {"tools": [*backend.tools, {**tool("about"), "description": f"Tells of tenant {tenant}"}]}

    def kept() -> list[object]:
        """Lists of tenants as clients see them; those of backends are kept within a bound, for the next client."""
        lists = [each.tools for each in heap.objects() if isinstance(each, Catalog)]
        lists += [each.found for each in heap.objects() if isinstance(each, Served)]
        return [each for each in lists if any(b"Tells of tenant canary" in entry.raw for entry in each)]

    async with scene({"one": backend}, config=searching(little), passthroughHeaders=["X-Tenant"]) as world:
        for number in range(5):
            async with world.session(x_tenant=f"canary{number}") as client:
                await client.names()
                assert await found(client, f"tells of tenant canary{number}") == ["one_about"]
                assert len(kept()) >= 2
                await client.delete()
        # The catalogs that have room, for whoever sees the same next, and what becomes of them.
        await eventually(lambda: len(kept()) <= 4)


@pytest.mark.scenario("T-6")
async def test_an_explanation_says_what_lists_show_and_what_is_found_instead():
    policies = [
        'permit(principal, action, resource) unless { resource == Tool::"one_send_mail" };',
    ]
    auth = {"authorization": {"policies": policies}, "name": "p"}
    config = searching(alwaysVisible=["one_filler00"])
    async with scene({"one": shop()}, config=config, **auth) as world, world.session() as client:
        listed = await client.names()
        assert listed == ["call_tool", "find_tool", "one_filler00"]
        expected = {
            "find_tool": ("allowed", True, "a tool of tool search"),
            "one_filler00": ("allowed", True, ""),
            "one_create_issue": ("allowed", False, "find_tool finds it"),
            "one_send_mail": ("denied", False, ""),
            "nothing": ("unknown", False, ""),
        }
        for name, (conclusion, is_listed, said) in expected.items():
            found = await world.explain(name)
            assert (found["conclusion"], found["listed"]) == (conclusion, is_listed), name
            assert (name in listed) is is_listed
            assert any("find_tool" in note or "tool search" in note for note in found["notes"]) is bool(said), name
            assert any(said in note for note in found["notes"]) or not said
        world.apply(config=searching(threshold=26))
        assert (await world.explain("one_create_issue"))["listed"] is True
        assert (await world.explain("find_tool"))["conclusion"] == "unknown"


@pytest.mark.scenario("T-4", "P-8")
async def test_a_client_repeats_no_argument_of_the_tool_in_headers_and_its_call_is_good(monkeypatch):
    monkeypatch.setattr("tests.support.eras.current", Era.MODERN)
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    backend = shop({**tool("place"), "inputSchema": schema})
    async with scene({"one": backend}, config=searching()) as world, world.client() as client:
        wanted = {"name": "one_place", "arguments": {"region": "eu"}}
        assert heard_by(await client.call("call_tool", wanted))["given"] == {"region": "eu"}
        refused = await client.post(client.asking("tools/call", wanted))
        assert refused.json()["error"]["code"] == -32020
