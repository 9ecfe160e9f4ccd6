"""Completions are judged by all that is known of what they are for, and suggest nothing that could not be used."""

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend

pytestmark = pytest.mark.scenario("Z-2", "Z-3")

PROMPT = {"type": "ref/prompt", "name": "one_ask"}
FILES = {"type": "ref/resource", "uri": "file:///{dept}/{name}"}
EVERY = ["news", "payroll", "payroll-2026"]
OF_TOPIC = 'context has arg_topic && context.arg_topic like "payroll*"'
POLICIES = {
    "mode": "Enforce",
    "policies": [
        "permit(principal, action, resource);",
        f'forbid(principal, action == Action::"get_prompt", resource) when {{ {OF_TOPIC} }};',
        'forbid(principal, action == Action::"read_resource", resource) when { resource.uri like "file:///payroll*" };',
    ],
}


@pytest.mark.parametrize(
    ("reference", "argument", "chosen", "suggested"),
    [
        (PROMPT, "topic", {}, ["news"]),
        (PROMPT, "topic", {"topic": "payroll"}, ["news"]),
        (PROMPT, "author", {"topic": "news"}, EVERY),
        (PROMPT, "author", {"topic": "payroll"}, None),
        (PROMPT, "author", {"Topic": "payroll"}, None),
        (FILES, "dept", {}, ["news"]),
        (FILES, "name", {"dept": "news"}, EVERY),
        (FILES, "name", {"dept": "payroll"}, None),
        (FILES, "name", {"dept": "news/../payroll"}, None),
        ({"type": "ref/resource", "uri": "file:///payroll/{name}"}, "name", {}, None),
        ({"type": "ref/resource", "uri": "file:///payroll/x"}, "name", {}, None),
        ({"type": "ref/resource", "uri": "file:///news/x"}, "name", {}, EVERY),
        ({"type": "ref/resource", "uri": "file:///news/../payroll"}, "name", {}, None),
    ],
)
async def test_a_completion_is_for_what_could_be_used_and_suggests_no_more(
    both_eras, reference, argument, chosen, suggested
):
    one = ScriptedBackend(
        prompts=[{"name": "ask", "arguments": [{"name": "topic"}, {"name": "author"}]}],
        templates=[{"uriTemplate": FILES["uri"], "name": "files"}],
    )

    @one.on("completion/complete")
    async def complete(_call):
        return {"completion": {"values": EVERY, "total": 3, "hasMore": False}}

    async with scene({"one": one}, config=QUIET, authorization=POLICIES) as world, world.session() as client:
        params = {"ref": reference, "argument": {"name": argument, "value": "p"}, "context": {"arguments": chosen}}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "completion/complete", "params": params}
        answer = await client.post(asked)
        assert ("error" in answer.json()) is (suggested is None)
        assert len(one.calls("completion/complete")) == (suggested is not None)
        if suggested is not None:
            completion = answer.json()["result"]["completion"]
            assert completion.pop("values") == suggested
            assert completion == ({"hasMore": False} | ({"total": 3} if suggested is EVERY else {}))
