"""Members that differ from those of the protocol by case alone: backends that ignore case never see them."""

import json

import pytest

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.scene import scene


def call(method, params):
    return f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}'.encode()


SENT = {
    "tool": (
        "tools/call",
        '{"name":"one_echo","Name":"secret","ARGUMENTS":{"a":1},"arguments":{"Name":1},"ref":5}',
        {"name": "echo", "arguments": {"Name": 1}, "ref": 5},
    ),
    "prompt": ("prompts/get", '{"nAME":"secret","name":"one_ask"}', {"name": "ask"}),
    "resource": ("resources/read", '{"uri":"test://a","Uri":"test://secret"}', {"uri": "test://a"}),
    "reference": (
        "completion/complete",
        '{"ref":{"type":"ref/prompt","name":"one_ask","Uri":"test://secret","NAME":"secret"},"Ref":{},"argument":{}}',
        {"ref": {"type": "ref/prompt", "name": "ask"}, "argument": {}},
    ),
    "token": (
        "tools/call",
        '{"name":"one_echo","_meta":{"ProgressToken":7,"k":1},"_Meta":{"progressToken":8}}',
        {"name": "echo", "_meta": {"k": 1}},
    ),
}


@pytest.mark.scenario("X-2")
@pytest.mark.parametrize(("method", "params", "heard"), SENT.values(), ids=SENT)
async def test_a_backend_gets_no_second_spelling_of_what_the_call_was_judged_by(method, params, heard):
    backend = everything()
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.post(call(method, params))
        assert "result" in json.loads(answer.content), answer.text
        assert [each.message["params"] for each in backend.calls(method)] == [heard]


@pytest.mark.scenario("X-2")
async def test_a_name_in_another_spelling_alone_names_nothing():
    backend = everything()
    async with scene({"one": backend}, config=QUIET) as world, world.session() as client:
        answer = await client.post(call("tools/call", '{"Name":"one_echo"}'))
        assert answer.json()["error"]["code"] == -32602
        assert backend.calls("tools/call") == []
