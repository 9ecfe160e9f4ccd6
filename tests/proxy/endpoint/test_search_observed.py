"""What the operator sees of tool search: the real tool in audit, spans and metrics, and what it saves."""

import pytest

from tests.proxy.endpoint.test_layers import events_in
from tests.proxy.endpoint.test_pausing import ELICITS, FORM, go_on
from tests.proxy.endpoint.test_search import found, searching, shop
from tests.proxy.endpoint.test_server_requests import Asker, answer_of, reply
from tests.proxy.endpoint.tracing import traced
from tests.support.raw_client import RawClient
from tests.support.scene import scene
from tests.support.scripted_backend import Call, text
from vmcp_proxy.protocol.methods import Era

MAIL = {"name": "one_send_mail", "arguments": {}}


def audited(path) -> dict:
    return searching(
        {"audit": {"enabled": True, "sink": "file", "path": str(path), "eventTypes": ["mcp_tool_call"]}}, threshold=1
    )


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-4")
async def test_the_audit_has_the_tool_its_backend_and_by_which_tool_it_was_called(tmp_path):
    path = tmp_path / "audit.log"
    policies = ['@id("mail") permit(principal, action, resource == Tool::"one_send_mail");']
    async with (
        scene({"one": shop()}, config=audited(path), authorization={"policies": policies}, name="p") as world,
        world.session() as client,
    ):
        await found(client, "send a mail")
        await client.call("call_tool", MAIL)
        await client.call("call_tool", {"name": "one_create_issue"})
        await client.call("call_tool", {})
        searched, called, denied, wrong = await events_in(path, 4)
    assert searched["target"] == {"method": "tools/call", "name": "find_tool"}
    assert (searched["outcome"], searched["backend"]) == ("success", "")
    assert called["target"] == {"method": "tools/call", "name": "one_send_mail", "via": "call_tool"}
    assert (called["outcome"], called["backend"]) == ("success", "one")
    assert (called["decision"]["resource"], called["decision"]["policies"]) == ("one_send_mail", ["mail"])
    assert denied["target"] == {"method": "tools/call", "name": "one_create_issue", "via": "call_tool"}
    assert (denied["outcome"], denied["decision"]["outcome"]) == ("denied", "deny")
    assert wrong["target"] == {"method": "tools/call", "name": "call_tool"}
    assert wrong["outcome"] == "failure"


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-4")
async def test_spans_have_the_tool_and_no_name_that_a_client_has_made_up():
    async def use(client):
        await client.call("call_tool", MAIL)
        await client.call("find_tool", {"query": "mail"})
        await client.call("call_tool", {"name": "invented"})

    spans, backend, _ = await traced(use, backend=shop(), config=searching())
    server, call = spans["tools/call one_send_mail"], spans["tools/call send_mail"]
    assert server.attributes["gen_ai.tool.name"] == "one_send_mail"
    assert call.parent == server.id
    assert "tools/call find_tool" in spans
    assert not any("invented" in name or "call_tool" in name for name in spans)
    assert len(backend.calls("tools/call")) == 1


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("T-4")
async def test_calls_and_errors_are_counted_by_the_tool_and_searches_by_what_came_of_them():
    backend = shop()

    @backend.on("tools/call")
    async def fail(call: Call) -> dict:
        return text("no", isError=True)

    async with scene({"one": backend}, config=searching()) as world, world.session() as client:
        await found(client, "zzz")
        await found(client, "send a mail")
        await client.call("call_tool", MAIL)
        await client.call("call_tool", {"name": "one_filler00"})
        values = await world.metrics()
        assert values['vmcp_tool_calls_total{backend="one",category="",tool="one_send_mail"}'] == 1
        assert values['vmcp_tool_errors_total{backend="one",tool="one_send_mail"}'] == 1
        assert values['vmcp_search_requests_total{outcome="found"}'] == 1
        nothing = [values.get(f'vmcp_search_requests_total{{outcome="{each}"}}', 0) for each in ("weak", "empty")]
        assert sum(nothing) == 1
        assert values['vmcp_search_calls_total{rank="1"}'] == 1
        assert values['vmcp_search_calls_total{rank="none"}'] == 1
        assert not any('tool="call_tool"' in name for name in values)


@pytest.mark.scenario("T-4")
async def test_a_question_in_a_call_reaches_the_client_of_a_session():
    asker = Asker("elicitation/create", FORM)
    async with scene({"one": asker.backend}, config=searching(threshold=0)) as world, world.client() as client:
        await client.open(ELICITS)
        params = {"name": "call_tool", "arguments": {"name": "one_echo"}}
        async with client.posting("tools/call", params) as stream:
            [request] = await stream.until("elicitation/create")
            assert await reply(client, request, result={"action": "decline"}) == 202
            assert answer_of(await stream.answer())["result"] == {"action": "decline"}


@pytest.mark.scenario("T-4")
async def test_a_call_that_pauses_goes_on_with_the_same_call_and_is_audited_as_the_tool_each_time(tmp_path):
    asker, path = Asker("elicitation/create", FORM), tmp_path / "audit.log"
    async with scene({"one": asker.backend}, config=audited(path)) as world:
        async with RawClient(world.url, era=Era.MODERN) as client:
            client.capabilities = ELICITS
            wanted = {"name": "one_echo", "arguments": {"a": 1}}
            asked = await client.call("call_tool", wanted)
            other = await go_on(client, asked, name="call_tool", arguments={**wanted, "name": "one_other"})
            assert "another request" in other["error"]["message"]
            done = await go_on(client, asked, name="call_tool", arguments=wanted)
            assert answer_of(done)["result"]["content"] == {"name": "Ada"}
        events = await events_in(path, 3)
    told = [(each["target"]["name"], each["target"].get("via"), each["backend"], each["outcome"]) for each in events]
    assert told == [
        ("one_echo", "call_tool", "one", "success"),
        ("call_tool", None, "", "failure"),
        ("one_echo", "call_tool", "one", "success"),
    ]
