"""Answers of backends that are none: the client hears whose they are, and never the bytes."""

import gzip
import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.scene import scene
from tests.support.scripted_backend import Die, ScriptedBackend, Status

HEAD = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one_echo"}}
PARTS = (
    '"error":5', '"error":null', '"error":"x"', '"error":{}', '"error":{"code":"1","message":2}',
    '"error":{"code":1}', '"error":{"code":1.5,"message":"x"}', '"error":[]',
    '"result":null', '"result":5', '"result":[]',
)  # fmt: skip


@pytest.mark.scenario("B-4", "X-1")
@pytest.mark.parametrize("events", [False, True], ids=["json", "events"])
@pytest.mark.parametrize("part", PARTS)
async def test_an_answer_that_is_no_answer_of_json_rpc_is_an_error_that_names_the_backend(part, events):
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def answer(call):
        raw = f'{{"jsonrpc":"2.0","id":{call.heard.message["id"]},{part}}}'.encode()
        if events:
            await call.say(raw)
            await call.write(b"0\r\n\r\n")
        else:
            await call.write(HEAD % (200, len(raw)) + raw)
        raise Die

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        result = await client.call("one_echo")
        assert result["_meta"] == {"vmcp.dev/backend": "one", "vmcp.dev/category": "protocol"}


@pytest.mark.scenario("B-4", "X-1")
@pytest.mark.parametrize("status", [400, 405, 500])
@pytest.mark.parametrize(
    "error", [b'{"code":-32000,"message":"\x80"}', b'{"message":"x"}'], ids=["no UTF-8", "no code"]
)
async def test_a_refusal_that_no_client_can_read_is_not_relayed(status, error):
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def answer(call):
        raw = b'{"jsonrpc":"2.0","id":%d,"error":%b}' % (call.heard.message["id"], error)
        await call.write(HEAD % (status, len(raw)) + raw)
        raise Die

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        body = (await client.post(CALL)).content
        assert json.loads(body.decode())["result"]["isError"]


async def test_a_refusal_with_an_error_of_the_backend_is_relayed_as_it_is():
    backend = ScriptedBackend()
    error = b'{"code": -32001, "message":"caf\xc3\xa9 \\ud83d", "data":{"b":1.0}}'

    @backend.on("tools/call")
    async def answer(call):
        raw = b'{"jsonrpc":"2.0","id":%d,"error":%b}' % (call.heard.message["id"], error)
        await call.write(HEAD % (400, len(raw)) + raw)
        raise Die

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        assert error in (await client.post(CALL)).content


@pytest.mark.scenario("B-4", "B-5")
async def test_a_compressed_answer_is_called_compressed_and_none_was_asked_for():
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def answer(call):
        raw = gzip.compress(b'{"jsonrpc":"2.0","id":%d,"result":{}}' % call.heard.message["id"])
        await call.write(
            b"HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\n" + (HEAD % (200, len(raw))).partition(b"\r\n")[2] + raw
        )
        raise Die

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        result = await client.call("one_echo")
    assert result["_meta"]["vmcp.dev/category"] == "protocol"
    assert "it is compressed" in result["content"][0]["text"]
    assert {heard.headers["accept-encoding"] for heard in backend.heard} == {"identity"}


@pytest.mark.scenario("B-4", "B-5")
@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_that_loses_the_message_is_called_one_and_says_what_to_do(status):
    backend = ScriptedBackend()

    @backend.on("tools/call")
    async def answer(call):
        raise Status(status, {"location": "/canary"})

    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        result = await client.call("one_echo")
    text = result["content"][0]["text"]
    assert result["_meta"]["vmcp.dev/category"] == "refused"
    assert "redirect" in text
    assert f"HTTP status {status}" in text
    assert "correct the URL" in text
    assert "canary" not in text
