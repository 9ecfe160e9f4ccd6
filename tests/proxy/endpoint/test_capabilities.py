"""Backends may show different things to clients of different capabilities."""

import json
from typing import Any

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.scene import scene
from tests.support.scripted_backend import Call, ScriptedBackend, tool

ELICITING = {"elicitation": {"form": {}}}


def choosy() -> ScriptedBackend:
    """Lists one tool more to clients that can be asked."""
    backend = ScriptedBackend()

    async def lists(call: Call) -> dict[str, Any]:
        [opened] = [
            each for each in backend.calls("initialize") if backend_session(backend, each) == call.heard.session
        ]
        can_ask = "elicitation" in opened.message["params"]["capabilities"]
        return {"tools": [tool("echo"), *([tool("confirm")] if can_ask else [])]}

    backend.on("tools/list")(lists)
    return backend


def backend_session(backend: ScriptedBackend, opened: Any) -> str:
    number = backend.calls("initialize").index(opened) + 1
    return next(each for each in backend.sessions if each.startswith(f"backend-session-{number}-"))


async def test_a_client_sees_what_its_capabilities_let_it_see():
    backend = choosy()
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client, world.session() as plain:
        await client.open(ELICITING)
        assert await client.names() == ["one_confirm", "one_echo"]
        assert await plain.names() == ["one_echo"]
        await client.call("one_confirm")
        unknown = await plain.request("tools/call", {"name": "one_confirm"})
        assert unknown["error"]["code"] == -32602


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("X-4")
async def test_what_is_experimental_is_told_as_it_is_declared_and_who_declares_other_things_has_other_lists():
    backend = ScriptedBackend()

    @backend.on("tools/list")
    async def lists(call: Call) -> dict[str, Any]:
        [opened] = [
            each for each in backend.calls("initialize") if backend_session(backend, each) == call.heard.session
        ]
        trials = opened.message["params"]["capabilities"].get("experimental", {})
        return {"tools": [tool("echo"), *(tool(f"try-{name}-{settings}") for name, settings in trials.items())]}

    async with scene({"one": backend}, config=QUIET) as world:
        for trials, extra in (({"a": 1}, ["one_try-a-1"]), ({"a": 2}, ["one_try-a-2"]), ({}, []), ({"a": 1}, None)):
            async with world.client() as client:
                await client.open({"experimental": trials})
                assert await client.names() == ["one_echo", *(["one_try-a-1"] if extra is None else extra)]
        async with world.session() as plain:
            assert await plain.names() == ["one_echo"]
    # The proxy's own, and one for each of the three that were declared.
    assert len(backend.calls("tools/list")) == 4, json.dumps([each.message for each in backend.heard])


async def test_clients_of_equal_capabilities_share_one_listing():
    backend = choosy()
    async with scene({"one": backend}, config=QUIET) as world:
        for _ in range(3):
            async with world.client() as client:
                await client.open(ELICITING)
                assert await client.names() == ["one_confirm", "one_echo"]
                await client.delete()
    assert len(backend.calls("tools/list")) == 2, json.dumps([each.message for each in backend.heard])


async def test_a_change_is_told_to_clients_of_every_capability():
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=QUIET) as world, world.client() as client, world.session() as plain:
        await client.open(ELICITING)
        await client.names()
        await plain.names()
        async with client.listening() as stream, plain.listening() as other:
            backend.tools.append(tool("more"))
            backend.push("notifications/tools/list_changed")
            await stream.until("notifications/tools/list_changed")
            await other.until("notifications/tools/list_changed")
            assert await client.names() == await plain.names() == ["one_echo", "one_more"]
