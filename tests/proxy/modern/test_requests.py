"""What clients without a session are answered, over backends with sessions."""

import asyncio
import json
from typing import Any

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.eras import SERVER
from tests.support.raw_client import RawClient, eventually
from tests.support.scene import Scene, scene
from tests.support.scripted_backend import Call, Refusal, ScriptedBackend, text, tool
from vmcp_proxy.protocol.methods import Era

LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
US = {"name": "test"}


def modern(world: Scene, **headers: str) -> RawClient:
    return RawClient(world.url, {name.replace("_", "-"): value for name, value in headers.items()}, Era.MODERN)


@pytest.mark.scenario("P-4")
async def test_discovery_says_what_is_served_and_in_which_revisions():
    backend = everything()
    backend.instructions = "Ask me."
    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        said = await client.open()
        assert said["supportedVersions"][:2] == ["2026-07-28", "2025-11-25"]
        lists = {name: {"listChanged": True} for name in ("tools", "resources", "prompts")}
        assert said["capabilities"] == {**lists, "completions": {}, "logging": {}}
        assert "Ask me." in said["instructions"]
        assert said["resultType"] == "complete"
        assert (said["ttlMs"], said["cacheScope"]) == (0, "private")
        assert said["_meta"][SERVER]["name"] == "test"
        assert said["_meta"][SERVER]["version"]


@pytest.mark.scenario("P-4")
async def test_every_kind_is_listed_called_read_got_and_completed_without_a_session():
    backend = everything()
    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        for method, names in zip(LISTS, (["one_echo"], ["test://a"], ["test://t/{id}"], ["one_ask"]), strict=True):
            page = await client.result(method)
            member = next(key for key, value in page.items() if isinstance(value, list))
            assert [entry.get("uri") or entry.get("uriTemplate") or entry["name"] for entry in page[member]] == names
            assert (page["ttlMs"], page["cacheScope"], page["resultType"]) == (0, "private", "complete")
            assert page["_meta"][SERVER]["name"] == "test"
        called = await client.call("one_echo")
        assert called.pop("_meta")[SERVER]["name"] == "test"
        assert called == {**text("called echo"), "resultType": "complete"}
        read = await client.result("resources/read", {"uri": "test://a"})
        assert read["contents"] == [{"uri": "test://a", "text": "read"}]
        assert (read["ttlMs"], read["cacheScope"], read["resultType"]) == (0, "private", "complete")
        got = await client.result("prompts/get", {"name": "one_ask"})
        assert got["messages"][0]["content"]["text"] == "got ask"
        done = await client.result("completion/complete", {"ref": {"type": "ref/prompt", "name": "one_ask"}})
        assert done["completion"]["values"] == ["done"]
        assert world.inside.sessions == 0
        asked = [heard.message for heard in backend.heard if heard.method != "server/discover"]
        assert "io.modelcontextprotocol/" not in str(asked)
        # One session with the backend serves all of them, beside the proxy's own.
        assert len({heard.session for heard in backend.calls("tools/call") + backend.calls("prompts/get")}) == 1


@pytest.mark.scenario("P-4")
async def test_what_legacy_clients_cannot_read_is_left_as_it_came():
    schema = {"type": "array", "items": {"type": "integer"}}
    backend = ScriptedBackend(tools=[tool("count", outputSchema=schema)])

    @backend.on("tools/call")
    async def count(call):
        return {"content": [], "structuredContent": [1, 2], "_meta": {"a": 1}, "x": None}

    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        (listed,) = (await client.result("tools/list"))["tools"]
        assert listed["outputSchema"] == schema
        result = await client.call("one_count")
        assert result["structuredContent"] == [1, 2]
        assert (result["x"], result["_meta"]["a"]) == (None, 1)
        assert result["_meta"][SERVER]["name"] == "test"


@pytest.mark.scenario("P-4")
@pytest.mark.parametrize(
    ("backends_code", "status", "code"),
    [
        (-32602, 400, -32602),
        (-32601, 404, -32601),
        (-32021, 400, -32021),
        (-32603, 200, -32603),
        (-32000, 200, -32603),
        (-32001, 200, -32603),
        (-32042, 200, -32603),
        (-32020, 200, -32603),
        (-32022, 200, -32603),
        (42, 200, 42),
    ],
)
async def test_a_backends_error_keeps_its_words_and_has_a_code_of_this_era(backends_code, status, code):
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def refuse(call):
        raise Refusal(backends_code, "not so", {"requiredCapabilities": {"sampling": {}}})

    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        message = client.asking("tools/call", {"name": "one_echo"})
        answer = await client.post(message)
        assert answer.status_code == status
        error = answer.json()["error"]
        assert error == {"code": code, "message": "not so", "data": {"requiredCapabilities": {"sampling": {}}}}


@pytest.mark.scenario("P-4")
async def test_what_is_not_there_is_an_invalid_param_that_names_it():
    backend = everything()

    @backend.on("resources/read")
    async def refuse(call):
        raise Refusal(-32002, "gone")

    async with scene({"one": backend, "two": everything()}, config=QUIET) as world, modern(world) as client:
        for uri in ("test://nobody", "test://a"):
            message = client.asking("resources/read", {"uri": uri})
            answer = await client.post(message)
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == -32602
            assert answer.json()["error"]["data"] == {"uri": uri}
        message = client.asking("tools/call", {"name": "nothing"})
        answer = await client.post(message)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)


@pytest.mark.scenario("P-4")
@pytest.mark.parametrize("raw", [b"{}", b" {} ", b'{ "content": [] }', b"5", b"[]", b'{"_meta":7}'])
async def test_odd_results_are_completed_or_told_to_be_none(raw):
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def odd(call):
        return raw

    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        answer = await client.request("tools/call", {"name": "one_echo"})
    assert answer["result"]["resultType"] == "complete"
    assert answer["result"]["_meta"][SERVER]["name"] == "test"
    assert answer["result"].get("isError", False) is not isinstance(json.loads(raw), dict)


@pytest.mark.scenario("P-4")
async def test_a_method_that_discovery_does_not_offer_is_not_found():
    backend = ScriptedBackend(offers={"tools": {}})
    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        assert "completions" not in (await client.open())["capabilities"]
        for method, params in (
            ("completion/complete", {"ref": {"type": "ref/prompt", "name": "one_ask"}, "argument": {}}),
            ("ping", {}),
        ):
            message = client.asking(method, params, request_id=f"m-{method}")
            answer = await client.post(message)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32601)
            assert answer.json()["id"] == f"m-{method}"


@pytest.mark.scenario("P-4")
@pytest.mark.parametrize(
    "member",
    [b'"resultType":"input_required"', rb'"result\u0054ype":"input_required"', b'"resultType":{"x":1}'],
    ids=["as it is", "escaped", "no text"],
)
@pytest.mark.parametrize(
    ("method", "params", "result"),
    [
        ("tools/call", {"name": "one_echo"}, b'"content":[]'),
        ("prompts/get", {"name": "one_ask"}, b'"messages":[]'),
        ("resources/read", {"uri": "test://a"}, b'"contents":[]'),
    ],
)
async def test_a_backend_of_a_former_revision_cannot_call_its_result_anything_but_complete(
    method, params, result, member
):
    backend = everything()

    @backend.on(method)
    async def answer(_call: Call) -> bytes:
        return b"{%b,%b,%b}" % (member, result, member)

    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        said = (await client.post(client.asking(method, params))).text
        assert said.count("ype") == 1
        assert json.loads(said)["result"]["resultType"] == "complete"
        assert result.split(b":")[0].decode() in said


@pytest.mark.scenario("P-4")
async def test_a_result_of_a_former_revision_is_complete_also_where_its_session_has_just_been_lost():
    backend = everything()
    goes_on, comes_back = asyncio.Event(), asyncio.Event()

    async def opens(_call: Call) -> None:
        await comes_back.wait()

    @backend.on("tools/call")
    async def answer(call: Call) -> dict[str, Any]:
        if call.params.get("arguments"):
            await goes_on.wait()
        return text("done", resultType="input_required")

    async with scene({"one": backend}, config=QUIET) as world, modern(world) as client:
        assert (await client.call("one_echo"))["resultType"] == "complete"
        first = asyncio.create_task(client.call("one_echo", {"a": 1}))
        await eventually(lambda: len(backend.calls("tools/call")) == 2)
        backend.forget_sessions()
        backend.before_open = opens
        opened = len(backend.calls("initialize"))
        second = asyncio.create_task(client.call("one_echo"))
        await eventually(lambda: len(backend.calls("initialize")) > opened)
        goes_on.set()
        assert (await first)["resultType"] == "complete"
        comes_back.set()
        assert (await second)["resultType"] == "complete"
