"""What `call_tool` hands on, and what it answers itself."""

import json

import msgspec
import pytest

from tests.proxy.search.layers import BOB, Server, World, catalog_of, own, sent
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.outcomes import Denied, Invalid, InWords, RawFailure, Result, Unknown
from vmcp_proxy.core.virtual import Charged, OwnNames, Target
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import parse_members

APP = {"_meta": {"ui": {"visibility": ["app"]}}}
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["title"],
}
ISSUE = {"name": "create_issue", "description": "Opens an issue", "inputSchema": SCHEMA}
CATALOG = catalog_of(ISSUE, {"name": "send_mail"}, {"name": "xyzzy", **APP}, beside=5)
FAILED = Result(b'{"content":[{"type":"text","text":"no"}],"isError":true,"x":1}', "shop")


def texts(reply: Result) -> list[str]:
    return [each["text"] for each in json.loads(bytes(reply.raw))["content"]]


@pytest.mark.scenario("T-4")
@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "shop_create_issue", "arguments": {"title": "x"}},
        {"tool_name": "shop_create_issue", "parameters": {"title": "x"}},
        {"tool_name": None, "name": "shop_create_issue", "arguments": {"title": "x"}},
        {"parameters": {"tool_name": "shop_create_issue", "title": "x"}},
        {"name": "shop_create_issue", "arguments": '{"title": "x"}'},
        {"name": "shop_create_issue", "arguments": {}, "parameters": {"title": "x"}},
        {"name": "shop_create_issue", "tool_name": "shop_create_issue", "arguments": {"title": "x"}, "more": 1},
    ],
)
async def test_a_call_is_that_of_the_tool_however_it_is_written(arguments):
    world = World(Server(CATALOG))
    await world.call("call_tool", arguments, _meta={"progressToken": 7}, requestState="s")
    [operation] = world.server.reached
    assert (operation.name, operation.method, operation.kind) == ("shop_create_issue", "tools/call", Kind.TOOL)
    wanted = {
        "name": "shop_create_issue",
        "arguments": {"title": "x"},
        "_meta": {"progressToken": 7},
        "requestState": "s",
    }
    assert sent(operation) == wanted
    assert msgspec.json.decode(operation.params) == wanted
    assert world.exchange.tools == ["shop_create_issue"]


@pytest.mark.scenario("T-4")
@pytest.mark.parametrize("arguments", ['{"title" :\t"x"}', '{"title":"a","title":"x"}', '{"title":"\\ud83d"}', "{ }"])
async def test_arguments_reach_the_tool_as_their_client_has_written_them(arguments):
    world = World(Server(CATALOG))
    own = f'{{ "arguments" : {arguments}, "name": "shop_create\\u005fissue" }}'
    params = f'{{"name": "call_tool", "arguments": {own}, "_meta": {{"progressToken":  7}}}}'
    await world.send(params.encode())
    [operation] = world.server.reached
    assert operation.name == "shop_create_issue"
    for members in (operation.members, parse_members(operation.params)):
        assert sorted(members) == ["_meta", "arguments", "name"]
        assert bytes(members["arguments"]) == arguments.encode()
        assert bytes(members["_meta"]) == b'{"progressToken":  7}'


async def test_a_tool_that_names_its_own_arguments_like_that_keeps_them():
    world = World(Server(CATALOG))
    await world.call("call_tool", {"name": "shop_send_mail", "arguments": {"tool_name": "x", "name": "y"}})
    assert sent(world.server.reached[0])["arguments"] == {"tool_name": "x", "name": "y"}
    await world.call("call_tool", {"name": "shop_send_mail"})
    assert "arguments" not in sent(world.server.reached[1])


async def test_a_tool_is_called_by_its_own_name_as_ever():
    world = World(Server(CATALOG))
    answer = await world.call("shop_create_issue", {"title": "x"})
    assert world.server.reached[0].name == "shop_create_issue"
    assert isinstance(answer, Result)
    assert world.exchange.tools == []
    assert world.server.viewed == 0


async def test_no_list_is_asked_for_on_the_way_of_a_call():
    world = World(Server(CATALOG))
    await world.call("call_tool", {"name": "shop_create_issue", "arguments": {"title": "x"}})
    assert (world.server.viewed, world.server.listed) == (0, 0)


@pytest.mark.scenario("T-5")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (None, "name of the tool is missing"),
        ({}, "name of the tool is missing"),
        ({"name": ""}, "name of the tool is missing"),
        ({"name": 3}, '"name" must be a text'),
        ([], "must be an object"),
        ({"name": "a", "tool_name": "b"}, "say different things"),
        ({"name": "shop_create_issue", "title": "x"}, "beside its name ('title')"),
        ({"name": "shop_create_issue", "arguments": {}, "title": "x"}, "beside its name ('title')"),
        ({"name": "a", "arguments": {"x": 1}, "parameters": {"x": 2}}, "say different things"),
        ({"name": "a", "arguments": [1]}, "must be an object"),
        ({"name": "a", "arguments": "text"}, "must be an object"),
        ({"name": "call_tool", "arguments": {"name": "find_tool"}}, "call_tool is no tool that call_tool calls"),
        ({"name": "find_tool", "arguments": {"query": "x"}}, "find_tool is no tool that call_tool calls"),
    ],
)
async def test_what_names_no_tool_is_answered_in_words_and_reaches_nobody(arguments, said):
    world = World(Server(CATALOG))
    refused = await world.call("call_tool", arguments)
    assert isinstance(refused, InWords)
    assert said in refused.text
    assert world.server.reached == []


@pytest.mark.scenario("T-5")
@pytest.mark.parametrize("refusal", [Denied(), Unknown])
async def test_a_name_that_is_not_there_or_hidden_brings_the_nearest_that_the_caller_may_see(refusal):
    world = World(Server(CATALOG, own={BOB: catalog_of({"name": "send_mail"})}, unfound=refusal))
    refused = await world.call("call_tool", {"name": "shop_create-isue"})
    assert isinstance(refused, InWords)
    assert "'shop_create-isue'. The nearest names are shop_create_issue" in refused.text
    assert refused.is_denied is (refusal is not Unknown)
    hidden = await world.call("call_tool", {"name": "shop_create_issue"}, BOB)
    assert "create_issue" not in hidden.text.replace("'shop_create_issue'", "")
    missing = await world.call("call_tool", {"name": "shop_create_thing"}, BOB)
    assert missing.text.replace("thing", "issue") == hidden.text
    assert missing.is_denied is hidden.is_denied


async def test_a_long_name_is_cut_in_the_answer():
    refused = await World(Server(CATALOG)).call("call_tool", {"name": "x" * 100_000})
    assert len(refused.text) < 600


async def test_a_tool_that_the_caller_sees_and_may_not_call_so_is_denied_as_ever():
    world = World(Server(CATALOG, {"shop_create_issue": Denied()}))
    assert await world.call("call_tool", {"name": "shop_create_issue", "arguments": {}}) == Denied()


@pytest.mark.scenario("T-6")
async def test_a_tool_for_pages_alone_is_told_like_one_that_is_not_there():
    world = World(Server(CATALOG))
    refused = await world.call("call_tool", {"name": "shop_xyzzy"})
    missing = await world.call("call_tool", {"name": "shop_xyzzo"})
    assert refused.text == missing.text.replace("xyzzo", "xyzzy")
    assert "xyzzy" not in missing.text
    assert [each.name for each in world.server.reached] == ["shop_xyzzo"]
    await world.call("shop_xyzzy")
    assert world.server.reached[-1].name == "shop_xyzzy"


async def test_names_that_pages_know_tools_by_lead_to_no_tool_of_theirs_alone():
    raw = json.dumps({"name": "xyzzy", **APP}).encode()
    page = Target(Capability(Kind.TOOL, "shop_draw", "shop", "draw", raw), None, 0.0)
    plain = Target(Capability(Kind.TOOL, "shop_mail", "shop", "mail", b'{"name":"shop_mail"}'), None, 0.0)

    class Pages(Server):
        async def resolve(self, caller, operation):
            return Charged(OwnNames((page, plain) if operation.name == "mail" else (page,)), operation.name)

        async def perform(self, caller, operation, resolved, exchange):
            self.reached.append((operation, resolved))
            return Unknown(Kind.TOOL, operation.name) if resolved is None else Result(b'{"content":[]}')

    world = World(Pages(CATALOG))
    await world.call("call_tool", {"name": "mail"})
    await world.call("call_tool", {"name": "draw"})
    assert [resolved for _, resolved in world.server.reached] == [OwnNames((plain,)), None]
    assert [operation.charged.tool for operation, _ in world.server.reached] == ["mail", "draw"]


@pytest.mark.scenario("T-5")
async def test_an_error_after_arguments_that_do_not_fit_brings_the_schema():
    invalid = Invalid("arguments.title: is missing")
    failure = RawFailure(b'{"code":-32602,"message":"bad title"}', "shop")
    for answer, first in ((FAILED, "no"), (failure, "bad title")):
        world = World(Server(CATALOG, {"shop_create_issue": answer}))
        reply = await world.call("call_tool", {"name": "shop_create_issue", "arguments": {"count": "3"}})
        assert isinstance(reply, Result)
        assert reply.backend == "shop"
        assert texts(reply)[0] == first
        assert "do not fit the inputSchema of 'shop_create_issue'" in texts(reply)[1]
        assert json.dumps(SCHEMA) in texts(reply)[1]
        assert json.loads(bytes(reply.raw))["isError"] is True
        assert sent(world.server.reached[0])["arguments"] == {"count": "3"}
    world = World(Server(CATALOG, {"shop_create_issue": invalid}))
    reply = await world.call("call_tool", {"name": "shop_create_issue", "arguments": {}})
    assert isinstance(reply, InWords)
    assert reply.text.startswith(invalid.reason)
    assert json.dumps(SCHEMA) in reply.text


@pytest.mark.parametrize(
    ("answer", "arguments"),
    [
        (FAILED, {"title": "x"}),
        (RawFailure(b'{"code":1,"message":"m"}', "shop"), {"title": "x"}),
        (Result(b'{"content":[]}', "shop"), {}),
    ],
)
async def test_an_error_of_the_tool_itself_and_what_it_takes_stay_as_they_are(answer, arguments):
    world = World(Server(CATALOG, {"shop_create_issue": answer}))
    assert await world.call("call_tool", {"name": "shop_create_issue", "arguments": arguments}) is answer


async def test_the_error_repeats_no_argument():
    world = World(Server(CATALOG, {"shop_create_issue": FAILED}))
    reply = await world.call("call_tool", {"name": "shop_create_issue", "arguments": {"title": 7, "count": "hunter2"}})
    assert "hunter2" not in bytes(reply.raw).decode()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"$ref": "https://elsewhere.example/x", "required": ["b"]},
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}},
        {"type": "object", "description": "x" * 40_000, "required": ["b"]},
        {"type": "strange"},
        [],
        None,
    ],
)
async def test_of_a_schema_that_nobody_can_check_by_nothing_is_said(schema):
    catalog = catalog_of({"name": "odd", "inputSchema": schema}, beside=5)
    world = World(Server(catalog, {"shop_odd": FAILED}))
    assert await world.call("call_tool", {"name": "shop_odd", "arguments": {"a": {"a": 1}}}) is FAILED


RIVAL = Capability(Kind.TOOL, "call_tool", "shop", "call_tool", b'{"name":"call_tool","description":"rings a bell"}')
OTHER = [Capability(Kind.TOOL, name, "shop", name, b'{"name":"%b"}' % name.encode()) for name in ("a", "b", "c")]


@pytest.mark.scenario("T-6")
async def test_a_tool_with_our_name_stands_behind_ours_and_is_found_and_called_through_it():
    world = World(Server(own(RIVAL, *OTHER)))
    assert await world.names() == ["call_tool", "find_tool"]
    assert await world.found("rings a bell") == ["call_tool"]
    await world.call("call_tool", {"name": "call_tool", "arguments": {"loud": True}})
    assert sent(world.server.reached[0]) == {"name": "call_tool", "arguments": {"loud": True}}
    [conflict] = world.services.shadowed.conflicts(world.server.catalog)
    assert (conflict.name, conflict.winner, conflict.losers) == ("call_tool", "optimizer", ("shop",))


async def test_below_the_threshold_a_tool_with_our_name_is_the_backends():
    few, many = own(RIVAL, OTHER[0]), own(RIVAL, *OTHER)
    world = World(Server(few, own={BOB: many}))
    await world.call("call_tool", {"loud": True})
    assert sent(world.server.reached[0]) == {"name": "call_tool", "arguments": {"loud": True}}
    assert isinstance(await world.call("call_tool", {"loud": True}, BOB), InWords)


async def test_a_tool_with_our_name_that_one_caller_alone_has_is_known_once_it_was_listed():
    world = World(Server(own(*OTHER), own={BOB: own(RIVAL)}))
    await world.names(BOB)
    await world.call("call_tool", {"loud": True}, BOB)
    assert sent(world.server.reached[0]) == {"name": "call_tool", "arguments": {"loud": True}}


async def test_the_rank_of_what_is_called_after_a_search_is_counted():
    world = World(Server(CATALOG))
    await world.call("call_tool", {"name": "shop_send_mail"})
    await world.find("open an issue")
    assert world.client.last_found == ("shop_create_issue",)
    await world.call("call_tool", {"name": "shop_create_issue", "arguments": {}})
    await world.call("call_tool", {"name": "gone"})
    world.client.last_found = (*(f"t{number}" for number in range(20)), "shop_send_mail")
    await world.call("call_tool", {"name": "shop_send_mail"})
    assert world.counts.ranks == ["none", "1", "later"]
