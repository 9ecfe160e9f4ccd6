"""Resources that a tool hands out belong, for that session, to the backend that handed them out."""

from typing import Any

import pytest

from tests.support.rules import Effect, Rule, RuleBased
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text_content
from vmcp_proxy.core.owners.handed_out import MOST_CHARACTERS, MOST_URIS, HandedOut

LINK = "file:///made/by/a/tool"


def link(uri: str, **more: Any) -> dict[str, Any]:
    return {"type": "resource_link", "uri": uri, "name": "made", **more}


def embedded(uri: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "text": "embedded"}}


def handing_out(*contents: dict[str, Any], name: str = "", **more: Any) -> ScriptedBackend:
    """A server whose tool and prompt hand out these contents, and which reads whatever it is asked for."""
    backend = ScriptedBackend(prompts=[{"name": "ask"}], **more)

    @backend.on("tools/call")
    async def call(_call):
        return {"content": list(contents)}

    @backend.on("prompts/get")
    async def get(_call):
        return {"messages": [{"role": "user", "content": each} for each in contents]}

    @backend.on("resources/read")
    async def read(call):
        return {"contents": [{"uri": call.params["uri"], "text": f"read by {name}"}]}

    return backend


def plain(name: str = "", **more: Any) -> ScriptedBackend:
    return handing_out(text_content("nothing")["content"], name=name, **more)


async def read(client, uri: str) -> str:
    return (await client.result("resources/read", {"uri": uri}))["contents"][0]["text"]


@pytest.mark.scenario("B-14")
@pytest.mark.parametrize("content", [link(LINK), embedded(LINK)])
@pytest.mark.parametrize("asked", [("tools/call", {"name": "c_echo"}), ("prompts/get", {"name": "c_ask"})])
async def test_a_resource_that_nobody_lists_is_read_from_the_backend_that_handed_it_out(content, asked):
    backends = {"a": plain("a"), "c": handing_out(content, name="c")}
    async with scene(backends) as world, world.session() as client, world.session() as other:
        assert (await client.request("resources/read", {"uri": LINK}))["error"]["code"] == -32002
        await client.result(*asked)
        assert await read(client, LINK) == "read by c"
        assert not backends["a"].calls("resources/read")
        # What one session was handed is nothing that another one knows.
        assert (await other.request("resources/read", {"uri": LINK}))["error"]["code"] == -32002


@pytest.mark.scenario("B-14")
@pytest.mark.parametrize(
    "claim",
    [{"resources": [{"uri": LINK, "name": "x"}]}, {"templates": [{"uriTemplate": "file:///{+p}", "name": "x"}]}],
)
async def test_it_is_never_read_from_another_backend_that_claims_its_uri(claim):
    backends = {"a": plain("a", **claim), "c": handing_out(link(LINK), name="c")}
    async with scene(backends) as world, world.session() as client, world.session() as other:
        await client.call("c_echo")
        assert await read(client, LINK) == "read by c"
        assert await read(other, LINK) == "read by a"


@pytest.mark.scenario("B-14")
async def test_policies_decide_on_what_was_handed_out_like_on_what_is_listed():
    rules = RuleBased((Rule(Effect.PERMIT, names=("c_*", "file:///open*")),))
    backends = {"a": plain("a"), "c": handing_out(link("file:///open"), link("file:///closed"), name="c")}
    async with scene(backends, admitter=rules) as world, world.session() as client:
        await client.call("c_echo")
        assert await read(client, "file:///open") == "read by c"
        message = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "file:///closed"}}
        assert (await client.post(message)).json()["error"]["code"] == 403
        assert len(backends["c"].calls("resources/read")) == 1


async def test_the_only_backend_that_has_resources_is_asked_for_any_uri():
    one, two = plain("one"), plain("two")
    del two.offers["resources"]
    async with scene({"one": one, "two": two}) as world, world.session() as client:
        assert await read(client, "file:///unlisted") == "read by one"
        assert not two.calls("resources/read")


async def test_a_session_that_has_ended_and_one_that_is_new_know_of_nothing():
    backends = {"a": plain("a"), "c": handing_out(link(LINK), name="c")}
    async with scene(backends) as world, world.client() as client:
        await client.open()
        await client.call("c_echo")
        inside = world.inside
        [held] = inside.clients
        assert held.handed_out is not None
        await client.delete()
        assert inside.clients == ()
        await client.open()
        assert (await client.request("resources/read", {"uri": LINK}))["error"]["code"] == -32002


@pytest.mark.parametrize(
    "result",
    [
        b'{"content":[{"type":"text","text":"\\"resource_link\\""}]}',
        b'{"content":[{"type":"resource_link"}]}',
        b'{"content":[{"type":"resource_link","uri":7}]}',
        b'{"content":"resource_link"}',
        b'{"content":[{"type":"resource","resource":null},"resource"]}',
        b'{"structuredContent":{"resource":{"uri":"x"}},"content":[]}',
        b'{"content":[{"type":"resource_link","uri":"\\ud83d"}]}',
    ],
)
async def test_odd_results_are_relayed_as_they_came(result):
    c = plain("c")

    @c.on("tools/call")
    async def call(_call):
        return result

    async with scene({"a": plain("a"), "c": c}) as world, world.session() as client:
        answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "c_echo"}})
        assert result in answer.content


def test_what_a_session_remembers_is_bounded_and_the_latest_stays():
    memory = HandedOut()
    memory.note((f"file:///{number}" for number in range(MOST_URIS + 10)), "c")
    assert len(memory) == MOST_URIS
    assert memory.owner("file:///9") is None
    assert memory.owner(f"file:///{MOST_URIS + 9}") == "c"
    memory.note(("x" * 4096 for _ in range(3)), "c")
    memory.note((f"{number:04096}" for number in range(100)), "c")
    assert len(memory) == MOST_CHARACTERS // 4096
    memory.note(["y" * 4097], "c")
    assert memory.owner("y" * 4097) is None
    memory.note([f"{99:04096}"], "d")
    assert memory.owner(f"{99:04096}") == "d"
