"""MCP Apps: the extension both ways, pages that nobody lists, and two backends with one `ui://` URI."""

import asyncio
from typing import Any

import pytest

from tests.proxy.endpoint.test_handed_out import embedded, link
from tests.support.raw_client import eventually
from tests.support.rules import Effect, Rule, RuleBased
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, tool

UI = "io.modelcontextprotocol/ui"
MIME = "text/html;profile=mcp-app"
PAGE = "ui://clock/app.html"
OF_A, OF_C = "ui://vmcp.dev/a/clock/app.html", "ui://vmcp.dev/c/clock/app.html"
LISTED = [{"uri": PAGE, "name": "clock", "mimeType": MIME}]


def meta(uri: str, **more: Any) -> dict[str, Any]:
    return {"_meta": {"ui": {"resourceUri": uri, **more}, "ui/resourceUri": uri, "openai/outputTemplate": uri, "x": 1}}


def app(name: str, uri: str = PAGE, **more: Any) -> ScriptedBackend:
    backend = ScriptedBackend(tools=[tool("show", **meta(uri)), tool("tick")], **more)
    backend.offers["resources"] = {"subscribe": True}

    @backend.on("resources/read")
    async def read(call):
        return {"contents": [{"uri": call.params["uri"], "mimeType": MIME, "text": f"page of {name}"}]}

    @backend.on("resources/subscribe")
    async def subscribe(_call):
        return {}

    return backend


async def tools_of(client) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in (await client.result("tools/list"))["tools"]}


def pages_of(described: dict[str, Any]) -> set[str]:
    found = described["_meta"]
    return {found["ui"]["resourceUri"], found["ui/resourceUri"], found["openai/outputTemplate"]}


async def read(client, uri: str) -> dict[str, Any]:
    [content] = (await client.result("resources/read", {"uri": uri}))["contents"]
    return content


@pytest.mark.scenario("P-15")
async def test_the_extension_reaches_backends_and_clients_with_its_settings_and_no_other_does():
    one = app("one")
    one.offers["extensions"] = {UI: {"mimeTypes": [MIME]}, "com.example/x": {}}
    two = app("two")
    two.offers["extensions"] = {UI: {"mimeTypes": ["text/plain", MIME], "more": 1}}
    settings = {UI: {"mimeTypes": [MIME]}}
    async with scene({"one": one, "two": two}) as world:
        async with world.client() as client:
            said = await client.open({"extensions": settings | {"com.example/x": {}}})
            assert said["capabilities"]["extensions"] == {UI: {"mimeTypes": [MIME, "text/plain"], "more": 1}}
            assert await client.names() == ["one_show", "one_tick", "two_show", "two_tick"]
        heard = [each.message["params"]["capabilities"] for each in one.calls("initialize")]
        assert {"extensions": settings} in heard


async def test_an_odd_declaration_of_the_extension_is_none():
    one = app("one")
    one.offers["extensions"] = {UI: True}
    async with scene({"one": one}) as world, world.client() as client:
        said = await client.open({"extensions": {UI: "yes"}})
        assert "extensions" not in said["capabilities"]
        assert await client.names() == ["one_show", "one_tick"]


@pytest.mark.scenario("P-15")
async def test_a_page_that_nobody_lists_is_read_from_the_backend_of_its_tool():
    backends = {"a": ScriptedBackend(), "c": app("c")}
    async with scene(backends) as world, world.session() as client:
        # Nothing is rewritten where nobody else claims the page.
        assert pages_of((await tools_of(client))["c_show"]) == {PAGE}
        assert await client.names("resources") == []
        assert (await read(client, PAGE)) == {"uri": PAGE, "mimeType": MIME, "text": "page of c"}


@pytest.mark.scenario("P-15")
async def test_app_only_tools_stay_in_lists():
    one = ScriptedBackend(tools=[tool("refresh", **meta(PAGE, visibility=["app"]))])
    async with scene({"one": one}) as world, world.session() as client:
        [listed] = (await tools_of(client)).values()
        assert listed["_meta"] == one.tools[0]["_meta"]


@pytest.mark.scenario("P-15")
@pytest.mark.parametrize("a_lists", [LISTED, []])
@pytest.mark.parametrize("c_lists", [LISTED, []])
async def test_two_backends_with_one_uri_each_show_their_own_page(a_lists, c_lists):
    backends = {"a": app("a", resources=a_lists), "c": app("c", resources=c_lists)}
    async with scene(backends) as world, world.session() as client:
        tools = await tools_of(client)
        assert pages_of(tools["a_show"]) == {OF_A}
        assert pages_of(tools["c_show"]) == {OF_C}
        assert tools["a_show"]["_meta"]["x"] == 1
        listed = ([OF_A] if a_lists else []) + ([OF_C] if c_lists else [])
        assert await client.names("resources") == listed
        assert await read(client, OF_A) == {"uri": OF_A, "mimeType": MIME, "text": "page of a"}
        assert await read(client, OF_C) == {"uri": OF_C, "mimeType": MIME, "text": "page of c"}
        for backend in backends.values():
            assert {each.message["params"]["uri"] for each in backend.calls("resources/read")} == {PAGE}
        # Nobody can say whose page is meant by the URI that both have.
        assert (await client.request("resources/read", {"uri": PAGE}))["error"]["code"] == -32002
        assert (await world.status())["conflicts"] == []


@pytest.mark.scenario("P-15")
@pytest.mark.parametrize("content", [link(PAGE), embedded(PAGE)])
async def test_a_page_that_a_result_hands_out_is_that_of_its_backend(content):
    a, c = app("a"), app("c", uri="ui://c/other.html")

    @c.on("tools/call")
    async def call(_call):
        return {"content": [content], "_meta": {"ui": {"resourceUri": PAGE}}}

    async with scene({"a": a, "c": c}) as world, world.session() as client:
        result = await client.call("c_show")
        [handed] = result["content"]
        assert handed.get("uri", handed.get("resource", {}).get("uri")) == OF_C
        assert result["_meta"]["ui"]["resourceUri"] == OF_C
        assert (await read(client, OF_C))["text"] == "page of c"
        assert (await read(client, PAGE))["text"] == "page of a"


async def test_a_backend_cannot_take_the_uri_that_stands_for_anothers_page():
    a, c = app("a"), app("c")
    b = app("b", uri=OF_C, resources=[{"uri": OF_A, "name": "x"}])
    async with scene({"a": a, "b": b, "c": c}) as world, world.session() as client:
        tools = await tools_of(client)
        assert pages_of(tools["b_show"]) == {"ui://vmcp.dev/b/vmcp.dev/c/clock/app.html"}
        assert await client.names("resources") == ["ui://vmcp.dev/b/vmcp.dev/a/clock/app.html"]
        assert (await read(client, OF_C))["text"] == "page of c"
        assert (await read(client, "ui://vmcp.dev/b/vmcp.dev/c/clock/app.html"))["text"] == "page of b"
        assert b.calls("resources/read")[0].message["params"]["uri"] == OF_C
        for uri in ("ui://vmcp.dev/", "ui://vmcp.dev/nobody/x", "ui://vmcp.dev//x"):
            assert (await client.request("resources/read", {"uri": uri}))["error"]["code"] == -32002


async def test_a_page_stays_its_backends_while_that_one_is_away():
    a, c = app("a"), app("c")
    config = operational(failureHandling={"unhealthyThreshold": 1, "healthCheckInterval": "100ms"})
    async with scene({"a": a, "c": c}, config=config) as world, world.session() as client:
        await tools_of(client)
        a.unknown_status = 500
        a.before_open = broken
        a.forget_sessions()
        await eventually(lambda: world.inside.members["a"].health.is_down)
        assert pages_of((await tools_of(client))["c_show"]) == {OF_C}
        assert "error" in await client.request("resources/read", {"uri": PAGE})
        assert "error" in await client.request("resources/read", {"uri": "file:///unlisted"})
        assert not c.calls("resources/read")


async def broken(_call) -> None:
    raise ConnectionError


async def test_updates_of_a_page_come_under_the_uri_that_was_subscribed_to():
    a, c = app("a"), app("c")
    async with scene({"a": a, "c": c}) as world, world.session() as client:
        await tools_of(client)
        await client.result("resources/subscribe", {"uri": OF_C})
        assert c.calls("resources/subscribe")[0].message["params"]["uri"] == PAGE
        async with client.listening() as stream:
            await eventually(lambda: len(c.streams) == 2)
            c.push("notifications/resources/updated", uri=PAGE)
            [message] = await stream.until("notifications/resources/updated")
            assert message["params"]["uri"] == OF_C


async def test_a_page_that_the_caller_may_not_read_is_taken_out_of_its_tool():
    rules = RuleBased((Rule(Effect.PERMIT, names=("*",)), Rule(Effect.FORBID, names=("ui://*",), subjects=("*",))))
    backends = {"a": app("a"), "c": app("c")}
    async with scene(backends, admitter=rules) as world, world.session() as client:
        shown = (await tools_of(client))["c_show"]
        assert shown["_meta"] == {"x": 1}
        for uri in (PAGE, OF_C):
            message = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}}
            assert (await client.post(message)).json()["error"]["code"] == 403


async def test_policies_know_a_page_by_its_backends_own_uri():
    rules = RuleBased((Rule(Effect.PERMIT, names=("?_*", PAGE)),))
    async with scene({"a": app("a"), "c": app("c")}, admitter=rules) as world, world.session() as client:
        assert pages_of((await tools_of(client))["c_show"]) == {OF_C}
        assert (await read(client, OF_C))["text"] == "page of c"


@pytest.mark.scenario("P-15")
async def test_a_page_may_call_its_servers_tools_by_their_own_names():
    one, two = app("one"), ScriptedBackend(tools=[tool("tick_tock"), tool("echo")])
    async with scene({"one": one, "two": two}) as world, world.session() as client:
        assert (await client.call("tick"))["content"]
        assert one.calls("tools/call")[0].message["params"]["name"] == "tick"
        # A server without pages has no page that could call it.
        assert (await client.request("tools/call", {"name": "echo"}))["error"]["code"] == -32602


async def test_where_two_backends_have_the_name_the_page_must_say_which_is_meant():
    async with scene({"a": app("a"), "c": app("c")}) as world, world.session() as client:
        assert (await client.request("tools/call", {"name": "tick"}))["error"]["code"] == -32602


async def test_where_the_caller_is_admitted_to_one_of_them_that_is_meant():
    rules = RuleBased((Rule(Effect.PERMIT, names=("c_tick",)),))
    backends = {"a": app("a"), "c": app("c")}
    async with scene(backends, admitter=rules) as world, world.session() as client:
        assert (await client.call("tick"))["content"]
        assert len(backends["c"].calls("tools/call")) == 1
        assert not backends["a"].calls("tools/call")


async def test_pages_are_told_apart_whoever_comes_first():
    """A client that listed while one backend alone had the page hears of the change and reads nothing wrong."""
    a, c = app("a"), app("c")
    go = asyncio.Event()

    async def wait(_call) -> None:
        await go.wait()

    a.before_open = wait
    config = operational(timeouts={"list": "500ms"})
    async with scene({"a": a, "c": c}, config=config) as world, world.session() as client:
        await eventually(lambda: c.calls("tools/list"))
        assert pages_of((await tools_of(client))["c_show"]) == {PAGE}
        go.set()
        await eventually(lambda: a.calls("prompts/list"))
        async with asyncio.timeout(10):
            while "a_show" not in await tools_of(client):  # noqa: ASYNC110 - a list has no event to wait on
                await asyncio.sleep(0.02)
        tools = await tools_of(client)
        assert (pages_of(tools["a_show"]), pages_of(tools["c_show"])) == ({OF_A}, {OF_C})
        assert (await client.request("resources/read", {"uri": PAGE}))["error"]["code"] == -32002
