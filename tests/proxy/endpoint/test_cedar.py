"""Cedar in front of real backends: what callers see, may call and are told, and what the operator is."""

import json
import logging

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.callers import AskedEachTime, identity_of
from tests.support.raw_client import eventually
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text, tool

TOOLS_CHANGED = "notifications/tools/list_changed"
DENIED = (200, 403)


class ByGroups(AskedEachTime):
    """An `Authenticator` that takes `alice:dev,ops` for a subject and its groups."""

    async def authenticate(self, authorization, source):
        subject, _, groups = authorization.decode().removeprefix("Bearer ").partition(":")
        return identity_of(subject, groups=groups.split(","))


def policies(*texts, mode="Enforce"):
    return {"mode": mode, "policies": list(texts), "groupClaims": ["groups"]}


def backends():
    one = ScriptedBackend(
        tools=[tool("read", annotations={"readOnlyHint": True}), tool("write"), tool("hidden")],
        resources=[{"uri": "test://a", "name": "a"}],
    )
    two = ScriptedBackend(tools=[tool("read")])
    for backend in (one, two):

        @backend.on("tools/call")
        async def answer(call):
            return text(json.dumps(call.params.get("arguments")))

    return {"one": one, "two": two}


HIDING = {**QUIET, "aggregation": {"tools": [{"workload": "one", "filter": ["read", "write"]}]}}


async def call(client, name, arguments=None):
    params = {"name": name} if arguments is None else {"name": name, "arguments": arguments}
    return await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


async def outcome(client, name, arguments=None):
    answer = await call(client, name, arguments)
    return "allow" if "result" in answer.json() else (answer.status_code, answer.json()["error"]["code"])


def audited(path):
    return {**HIDING, "audit": {"enabled": True, "sink": "file", "path": str(path), "eventTypes": ["mcp_tool_call"]}}


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-1", "Z-3")
async def test_two_callers_see_and_call_what_their_groups_and_the_backends_allow():
    rules = policies(
        'permit(principal in Group::"dev", action, resource in Backend::"one");',
        'permit(principal in Group::"ops", action, resource in Backend::"two");',
        'permit(principal, action == Action::"call_tool", resource)'
        " when { resource has readOnlyHint && resource.readOnlyHint };",
    )
    async with scene(backends(), config=HIDING, authorization=rules) as world:
        with world.inside.authenticated_by(ByGroups()):
            world.apply()
            async with (
                world.session(authorization="Bearer alice:dev") as hers,
                world.session(authorization="Bearer bob:ops") as his,
                world.session(authorization="Bearer eve:") as others,
            ):
                assert await hers.names() == ["one_read", "one_write"]
                assert await his.names() == ["one_read", "two_read"]
                assert await others.names() == ["one_read"]
                assert await hers.names("resources") == ["test://a"]
                assert await his.names("resources") == []
                for client, allowed in ((hers, "one_write"), (his, "two_read"), (others, "one_read")):
                    for name in ("one_read", "one_write", "two_read"):
                        expected = "allow" if name in (allowed, "one_read") else DENIED
                        assert await outcome(client, name) == expected
                # What a caller says of a tool counts for nothing.
                posed = {"name": "two_read", "annotations": {"readOnlyHint": True}, "arguments": {"readOnlyHint": True}}
                answer = await others.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": posed})
                assert answer.json()["error"]["code"] == 403


def verdict_in(line):
    """What a line of audit says of the decision itself."""
    return {member: line["decision"][member] for member in ("outcome", "policies", "errors", "mode")}


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-2")
async def test_denied_unknown_and_hidden_names_get_one_answer_and_a_line_of_audit_each(tmp_path):
    path = tmp_path / "audit.log"
    rules = policies('@id("readers") permit(principal, action, resource == Tool::"one_read");')
    async with scene(backends(), config=audited(path), authorization=rules) as world, world.session() as client:
        assert await client.names() == ["one_read"]
        answers = [await call(client, name) for name in ("one_write", "one_hidden", "nobody", "read")]
        assert {(answer.status_code, answer.json()["error"]["code"]) for answer in answers} == {DENIED}
        assert len({answer.content for answer in answers}) == 1
        headers = [{name for name in answer.headers if name != "date"} for answer in answers]
        assert all(each == headers[0] for each in headers)
        assert "result" in (await call(client, "one_read")).json()
    *denied, allowed = lines_of(path)
    nobody = {"outcome": "deny", "policies": [], "errors": [], "mode": "Enforce"}
    assert [(line["outcome"], verdict_in(line)) for line in denied] == [("denied", nobody)] * 4
    assert [line["decision"]["resource"] for line in denied] == ["one_write", "one_hidden", "nobody", "read"]
    assert allowed["outcome"] == "success"
    assert verdict_in(allowed) == {"outcome": "allow", "policies": ["readers"], "errors": [], "mode": "Enforce"}


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-3")
async def test_arguments_are_judged_as_the_backend_gets_them():
    rules = policies(
        'permit(principal, action, resource) when { context.arg_path like "/open/*" && context.arg_count < 3 };'
    )
    overrides = {"write": {"arguments": {"path": {"fixed": "/open/set"}}}}
    config = {**QUIET, "aggregation": {"tools": [{"workload": "one", "overrides": overrides}]}}
    schema = {"type": "object", "properties": {"path": {"type": "string"}, "count": {"type": "integer"}}}
    served = {"one": ScriptedBackend(tools=[tool("read", inputSchema=schema), tool("write", inputSchema=schema)])}
    calls = []

    @served["one"].on("tools/call")
    async def answer(asked):
        calls.append(asked.params["arguments"])
        return text("done")

    async with scene(served, config=config, authorization=rules) as world, world.session() as client:
        assert await client.names() == ["one_read", "one_write"]
        assert await outcome(client, "one_read", {"path": "/open/a", "count": 2}) == "allow"
        assert await outcome(client, "one_read", {"path": "/etc", "count": 2}) == DENIED
        assert await outcome(client, "one_read", {"path": "/open/a", "count": 3.0}) == DENIED
        assert await outcome(client, "one_read", {"path": "/open/a", "PATH": "/etc", "count": 1}) == DENIED
        assert await outcome(client, "one_read", {"count": 1}) == DENIED
        assert await outcome(client, "one_write", {"path": "/etc", "count": 1}) == "allow"
    assert calls == [{"path": "/open/a", "count": 2}, {"path": "/open/set", "count": 1}]


@pytest.mark.scenario("Z-3")
@pytest.mark.parametrize(
    ("guard", "fine", "posing"),
    [
        ("unless { context.arg_transfer.amount <= 500 }", b'{"amount": 1}', b'{"amount": 1, "Amount": 100000}'),
        ("unless { context.arg_transfer.amount <= 500 }", b'{"amount": 1}', b'{"amount": 1, "amount": 1}'),
        ('when { context.arg_transfer == {"all": true} }', b'{"all": false}', b'{"All": true}'),
    ],
)
async def test_members_within_an_argument_are_judged_as_strictly_as_arguments(guard, fine, posing):
    rules = policies("permit(principal, action, resource);", f"forbid(principal, action, resource) {guard};")
    async with scene(backends(), config=HIDING, authorization=rules) as world, world.session() as client:
        for sent, allowed in ((fine, True), (posing, False)):
            params = b'{"name": "one_read", "arguments": {"transfer": %b}}' % sent
            body = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": %b}' % params
            answer = await client.post(body)
            assert ("result" in answer.json()) is allowed
            assert allowed or answer.json()["error"]["code"] == 403


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-1")
async def test_a_policy_about_an_empty_name_opens_nothing():
    rules = policies('permit(principal, action, resource == Tool::"");')
    async with scene(backends(), config=HIDING, authorization=rules) as world, world.session() as client:
        assert await client.names() == []
        assert await outcome(client, "one_read") == await outcome(client, "nobody") == DENIED


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-2", "Z-3")
async def test_an_expansion_that_a_backend_could_resolve_to_another_uri_is_denied_like_an_unknown_one():
    served = {"one": ScriptedBackend(templates=[{"uriTemplate": "file:///{+path}", "name": "f"}])}
    rules = policies('permit(principal, action, resource) when { resource.uri like "file:///public/*" };')

    async def read(uri):
        answer = await client.post({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}})
        return answer.status_code, answer.content

    async with scene(served, config=QUIET, authorization=rules) as world, world.session() as client:
        unknown = await read("other:///x")
        assert unknown == (200, b'{"jsonrpc":"2.0","id":1,"error":{"code":403,"message":"Forbidden."}}')
        for rest in ("../secret/x", "%2e%2e/secret/x", "\x00", "#/../x", "..\\secret", "a b", "%2Fx"):
            assert await read(f"file:///public/{rest}") == unknown
        assert b'"result"' in (await read("file:///public/x%20y"))[1]


@pytest.mark.scenario("Z-4")
async def test_an_edit_of_policies_reaches_running_sessions_and_a_broken_one_leaves_the_last_in_force(caplog):
    first = policies('permit(principal, action, resource == Tool::"one_read");')
    async with (
        scene(backends(), config=HIDING, authorization=first) as world,
        world.session() as client,
        client.listening() as stream,
    ):
        assert await client.names() == ["one_read"]
        await eventually(lambda: stream.comments)
        with caplog.at_level(logging.ERROR):
            world.apply(authorization=policies("permit(principal, action, resource"))
        assert await outcome(client, "one_read") == "allow"
        assert await outcome(client, "one_write") == DENIED
        assert "the last ones stay in force" in caplog.text
        error = (await world.status())["loadError"]
        assert error["path"] == "authorization"
        assert "policies[0]" in error["message"]

        world.apply(authorization=policies("permit(principal, action, resource);"))
        await stream.until(TOOLS_CHANGED)
        assert await client.names() == ["one_read", "one_write", "two_read"]
        assert await outcome(client, "one_write") == "allow"
        assert not (await world.status()).get("loadError")

        world.apply(authorization=first)
        await stream.until(TOOLS_CHANGED, 2)
        assert await outcome(client, "one_write") == DENIED


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-4")
@pytest.mark.parametrize(
    "broken", [policies("permit("), {**policies("permit(principal, action, resource);"), "entitiesJson": "{"}]
)
async def test_policies_that_cannot_be_used_let_nobody_in_where_there_were_none_before(broken):
    async with scene(backends(), config=HIDING, authorization=broken) as world, world.session() as client:
        assert await client.names() == []
        assert await outcome(client, "one_read") == DENIED
        assert "policies cannot be used" in await world.admin("/readyz")
    async with scene(backends(), config=HIDING) as world, world.session() as client:
        assert await outcome(client, "one_read") == "allow"
        world.apply(authorization=broken)
        assert await outcome(client, "one_read") == DENIED
        world.apply(authorization=None)
        assert await outcome(client, "one_read") == "allow"


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-6", "Z-8")
async def test_policies_on_trial_decide_and_are_counted_and_change_no_answer(tmp_path):
    path = tmp_path / "audit.log"
    rules = policies('@id("readers") permit(principal, action, resource == Tool::"one_read");')
    trial = {**rules, "mode": "Shadow"}
    asked = ("one_read", "one_write", "one_hidden", "nobody")
    async with scene(backends(), config=audited(path)) as world, world.session() as client:
        names, resources = await client.names(), await client.names("resources")
        answers = [await call(client, name, {"n": 1}) for name in asked]
        world.apply(authorization=trial)
        assert (await client.names(), await client.names("resources")) == (names, resources)
        again = [await call(client, name, {"n": 1}) for name in asked]
        assert [(each.status_code, each.content) for each in again] == [
            (each.status_code, each.content) for each in answers
        ]
        metrics = await world.metrics()
    decisions = [line["decision"] for line in lines_of(path) if "decision" in line]
    assert [(each["outcome"], each["policies"], each["mode"]) for each in decisions] == [
        ("allow", ["readers"], "Shadow"),
        *[("deny", [], "Shadow")] * 3,
    ]
    assert metrics['vmcp_policy_decisions_total{mode="Shadow",outcome="allow",policy="readers"}'] == 1
    assert metrics['vmcp_policy_decisions_total{mode="Shadow",outcome="deny",policy=""}'] == 3


@pytest.mark.usefixtures("both_eras")
@pytest.mark.scenario("Z-2", "Z-6")
async def test_a_policy_that_fails_is_counted_audited_and_told_once(tmp_path, caplog):
    path = tmp_path / "audit.log"
    rules = policies(
        "permit(principal, action, resource);",
        '@id("odd") forbid(principal, action, resource == Tool::"one_write") when { principal.claim_missing == 1 };',
    )
    async with scene(backends(), config=audited(path), authorization=rules) as world, world.session() as client:
        with caplog.at_level(logging.WARNING):
            assert await outcome(client, "one_write") == await outcome(client, "one_write") == DENIED
        assert await outcome(client, "one_read") == "allow"
        metrics = await world.metrics()
        assert metrics['vmcp_policy_decisions_total{mode="Enforce",outcome="error",policy="odd"}'] == 2
        world.apply(authorization=policies('@id("all") permit(principal, action, resource);'))
        assert await outcome(client, "one_write") == "allow"
        metrics = await world.metrics()
        assert not [name for name in metrics if 'policy="odd"' in name or 'policy="policy0"' in name]
    (told,) = [vars(each)["vmcp_fields"] for each in caplog.records if "a policy failed" in each.getMessage()]
    assert (told["policy"], told["why"]) == ("odd", "the Client of this call has no attribute 'claim_missing'")
    assert lines_of(path)[0]["decision"]["errors"] == ["odd"]


@pytest.mark.usefixtures("both_eras")
async def test_policies_live_as_long_as_the_config_says_the_same():
    rules = policies("permit(principal, action, resource);")
    async with scene(backends(), config=HIDING, authorization=rules) as world:
        first = world.proxy._policies.admitter_for(world.proxy.state.loaded.config)
        world.apply(config=QUIET)
        assert world.proxy._policies.admitter_for(world.proxy.state.loaded.config) is first
