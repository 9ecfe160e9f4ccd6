"""What a backend has not told yet is waited for, or its backend is named; it is never told to be unknown."""

import asyncio

import pytest

from tests.proxy.endpoint.helpers import everything
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import operational, scene
from tests.support.scripted_backend import ScriptedBackend, Status, tool
from tests.support.serving import http_backend

SLOW_LISTS = operational(timeouts={"list": "100ms"}, failureHandling={"healthCheckInterval": "1h"})
PRIORITY = {"aggregation": {"conflictResolution": "priority"}}
USES = [
    ("tools/call", {"name": "one_echo"}),
    ("resources/read", {"uri": "test://a"}),
    ("resources/read", {"uri": "test://t/1"}),
    ("resources/subscribe", {"uri": "test://a"}),
    ("prompts/get", {"name": "one_ask"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "one_ask"}}),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": "test://t/{id}"}}),
]
ELICITS = {"elicitation": {}}


def held(backend: ScriptedBackend, *, only_for: str = "") -> asyncio.Event:
    """Lets the backend's handshakes wait for the event: all, or those of clients that declare a capability."""
    event = asyncio.Event()
    backend.offers["resources"] = {"subscribe": True}

    async def wait(call):
        if not only_for or only_for in call.params["capabilities"]:
            await event.wait()

    backend.before_open = wait

    @backend.on("resources/subscribe")
    async def subscribe(call):
        return {}

    return event


async def listed(client: RawClient, names: list[str]) -> None:
    """Waits until a client lists these tools: the deadline of lists is short here, and the machine may be busy."""
    async with asyncio.timeout(20):
        while await client.names() != names:  # noqa: ASYNC110 - a list has no event to wait on
            await asyncio.sleep(0.02)


async def waiting(client: RawClient, method: str, params: dict[str, object], go: asyncio.Event) -> dict[str, object]:
    """The answer to a request that is sent while its backend is held, which goes on once the proxy has the request."""
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    async with client.sending(message) as answer:
        done, _ = await asyncio.wait((answer,), timeout=0.4)
        assert not done
        go.set()
        return client.read(await answer)


@pytest.mark.scenario("A-15")
@pytest.mark.parametrize(("method", "params"), USES)
async def test_what_a_backend_that_is_slow_at_the_first_list_may_have_is_waited_for(method, params):
    one = everything()
    go = held(one)
    async with (
        scene({"one": one, "two": ScriptedBackend()}, config=SLOW_LISTS) as world,
        world.session() as client,
    ):
        assert await client.names() == ["two_echo"]
        assert "result" in await waiting(client, method, params, go)


@pytest.mark.scenario("A-15")
@pytest.mark.parametrize(("method", "params"), USES)
async def test_what_then_remains_is_an_error_that_names_the_backend(method, params):
    one = everything()
    go = held(one)
    config = operational(timeouts={"list": "100ms", "perWorkload": {"one": "300ms"}})
    async with scene({"one": one, "two": ScriptedBackend()}, config=config) as world, world.session() as client:
        answer = await client.request(method, params)
        told = answer["result"] if method == "tools/call" else answer["error"]
        told = told["_meta"] if method == "tools/call" else told["data"]
        assert told == {"vmcp.dev/backend": "one", "vmcp.dev/category": "timeout"}
        go.set()


@pytest.mark.scenario("A-15")
async def test_the_first_session_of_a_set_of_capabilities_lists_what_others_have_listed():
    one = everything()
    go = held(one, only_for="elicitation")
    async with scene({"one": one}, config=SLOW_LISTS) as world:
        async with world.session() as other:
            await listed(other, ["one_echo"])
        async with world.client() as client:
            await client.open(ELICITS)
            for kind, names in (
                ("tools", ["one_echo"]),
                ("prompts", ["one_ask"]),
                ("resources", ["test://a"]),
                ("resourceTemplates", ["test://t/{id}"]),
            ):
                assert await client.names(kind) == names
            one.tools.append(tool("asks"))
            message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "one_asks"}}
            # What this audience alone is told is waited for, too.
            assert "result" in await waiting(client, "tools/call", message["params"], go)
            assert await client.names() == ["one_asks", "one_echo"]


async def test_nothing_that_was_told_to_a_clients_headers_is_shown_to_others():
    one = everything()
    go = held(one, only_for="elicitation")

    @one.on("tools/list")
    async def of_the_caller(call):
        key = call.heard.headers.get("x-api-key", "nobody")
        return {"tools": [tool(f"of_{key}")]}

    async with scene({"one": one}, config=SLOW_LISTS, passthroughHeaders=["X-Api-Key"]) as world:
        async with world.session(x_api_key="alice") as alice:
            await listed(alice, ["one_of_alice"])
        async with world.client(x_api_key="bob") as bob, world.client(x_api_key="alice") as again:
            await bob.open(ELICITS)
            assert await bob.names() == []
            await again.open(ELICITS)
            assert await again.names() == ["one_of_alice"]
        go.set()


async def test_a_caller_whose_credentials_are_refused_is_shown_nothing_of_what_others_were_told():
    one = everything()
    async with scene({"one": one}, config=SLOW_LISTS, passthroughHeaders=["X-Api-Key"]) as world:
        async with world.session(x_api_key="other") as first:
            await listed(first, ["one_echo"])

            async def refuse(_call):
                raise Status(401)

            one.before_open = refuse

        async with world.client(x_api_key="other") as client:
            await client.open(ELICITS)
            result = await client.result("tools/list")
            assert result["tools"] == []
            assert result["_meta"]["vmcp.dev/serverOutcomes"]["one"]["status"] == "auth"


async def test_a_name_that_bears_the_prefix_of_no_silent_backend_is_unknown_at_once():
    one = everything()
    go = held(one)
    async with (
        scene({"one": one, "two": ScriptedBackend()}, config=SLOW_LISTS) as world,
        world.session() as client,
    ):
        answer = await client.request("tools/call", {"name": "two_nothing"})
        assert answer["error"] == {"code": -32602, "message": "Unknown tool: two_nothing"}
        go.set()


async def test_without_prefixes_any_silent_backend_may_have_a_name_and_all_are_named():
    dead = (http_backend("dead", 1), http_backend("gone", 1))
    async with (
        scene({"two": ScriptedBackend()}, extra=dead, config=PRIORITY) as world,
        world.session() as client,
    ):
        assert (await client.call("echo"))["content"]
        result = await client.call("nothing")
        assert result["isError"]
        assert result["_meta"]["vmcp.dev/backend"] == "dead"
        [content] = result["content"]
        assert "backend 'dead' cannot be reached" in content["text"]
        assert "backend 'gone' cannot be reached" in content["text"]


async def test_a_list_that_could_not_be_read_to_its_end_hides_nothing_as_unknown():
    one = everything()
    one.page, one.prompts = 1, [{"name": "a"}, {"name": "b"}]

    @one.on("prompts/list")
    async def half(call):
        return {"prompts": one.prompts[:1], "nextCursor": 7}

    async with scene({"one": one}, config=SLOW_LISTS) as world, world.session() as client:
        assert await client.names("prompts") == ["one_a"]
        error = (await client.request("prompts/get", {"name": "one_b"}))["error"]
        assert error["data"] == {"vmcp.dev/backend": "one", "vmcp.dev/category": "incomplete"}


async def test_a_backend_that_is_withheld_may_have_a_name_too():
    lacking = http_backend("lacking", 1, headerForward={"addHeadersFromSecret": [SECRET]})
    async with scene({"one": everything()}, extra=(lacking,)) as world, world.session() as client:
        result = await client.call("lacking_tool")
        assert result["_meta"] == {"vmcp.dev/backend": "lacking", "vmcp.dev/category": "withheld"}


SECRET = {"headerName": "X-Api-Key", "valueSecretRef": {"name": "keys", "key": "api"}}


@pytest.mark.scenario("A-15")
async def test_a_backend_that_answers_while_others_stay_silent_is_enough():
    one, two = everything(), everything()
    two.resources = [{"uri": "other://b", "name": "b"}]
    first, second = held(one), held(two)
    async with scene({"one": one, "two": two}, config=SLOW_LISTS) as world, world.session() as client:
        answer = await waiting(client, "resources/read", {"uri": "other://b"}, second)
        assert answer["result"]["contents"]
        assert [each.message["params"]["uri"] for each in two.calls("resources/read")] == ["other://b"]
        await eventually(lambda: one.calls("initialize"))
        first.set()
