"""Decisions in the audit log: what was asked and answered, and no more of the caller than the settings say."""

import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_layers import events_in
from tests.support.callers import ISSUER, AskedEachTime, identity_of
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

pytestmark = pytest.mark.scenario("Z-8")

PERMIT = '@id("readers") permit(principal in Group::"readers", action, resource);'


class WithClaims(AskedEachTime):
    """Lets everybody in as alice, with more claims than anybody should write down."""

    async def authenticate(self, authorization, source):
        return identity_of("alice", realm={"roles": ["readers"]}, email="alice@example.com", org="o")


def settings(path, **audit):
    return {
        "config": {**QUIET, "audit": {"enabled": True, "sink": "file", "path": str(path), **audit}},
        "authorization": {"policies": [PERMIT], "groupClaims": ["realm.roles"]},
    }


async def decisions(tmp_path, *calls, **audit):
    path = tmp_path / "audit.log"
    backend = ScriptedBackend(tools=[tool("read", annotations={"readOnlyHint": True})])
    async with scene({"web": backend}, **settings(path, **audit)) as world:
        with world.inside.authenticated_by(WithClaims()):
            world.apply()
        async with world.session() as client:
            for params in calls:
                await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
            events = await events_in(path, 2 + len(calls))
    assert b"alice@example.com" not in path.read_bytes()
    return [event["decision"] for event in events[2:]]


async def test_a_decision_is_written_with_all_that_policies_saw_but_arguments(tmp_path):
    call = {"name": "web_read", "arguments": {"q": "private"}}
    first, unknown = await decisions(tmp_path, call, {"name": "nobody"})
    assert first == {
        "outcome": "allow",
        "policies": ["readers"],
        "errors": [],
        "mode": "Enforce",
        "action": "call_tool",
        "resource": "web_read",
        "original": "read",
        "backend": "web",
        "annotations": {"readOnlyHint": True},
        "claims": {"realm.roles": ["readers"]},
    }
    assert (unknown["outcome"], unknown["resource"]) == ("deny", "nobody")
    assert not {"backend", "original"} & unknown.keys()


async def test_further_claims_and_arguments_are_written_where_the_settings_want_them(tmp_path):
    arguments = {"q": "x", "auth": {"api_key": "s3cr3t-1"}, "note": "see https://me:s3cr3t-2@host/", "n": [1]}
    text = json.dumps({"name": "web_read", "arguments": arguments}, indent=2)
    more = {"includeClaims": ["org", "absent"], "includeRequestData": True}
    (decision,) = await decisions(tmp_path, json.loads(text), **more)
    assert decision["claims"] == {"realm.roles": ["readers"], "org": "o", "absent": None}
    assert decision["arguments"] == {"q": "x", "n": [1]}
    assert decision["masked"] == ["auth", "note"]
    assert "s3cr3t" not in (tmp_path / "audit.log").read_text()


@pytest.mark.parametrize("reads", [False, True])
async def test_an_argument_that_is_sent_twice_has_no_value_in_the_decision_and_none_that_policies_judge_by(
    tmp_path, reads
):
    path, backend = tmp_path / "audit.log", ScriptedBackend(tools=[tool("read")])
    config = settings(path, includeRequestData=True)
    when = ' when { context.arg_to == "me" }' if reads else ""
    config["authorization"]["policies"] = [f'@id("p") permit(principal, action, resource){when};']
    arguments = b'{"to":"you","n":1,"\\u0074o":"me","deep":{"a":1,"a":2}}'
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"web_read","arguments":%b}}' % arguments
    async with scene({"web": backend}, **config) as world:
        with world.inside.authenticated_by(WithClaims()):
            world.apply()
        async with world.session() as client:
            await client.post(body)
            events = await events_in(path, 3)
    decision = events[-1]["decision"]
    assert decision["outcome"] == ("deny" if reads else "allow")
    assert decision["masked"] == ["to"]
    assert decision["arguments"].keys() == {"n", "deep"}
    assert len(backend.calls("tools/call")) == (not reads)
    # The line has all that came, and the backend gets it.
    assert b'"arguments":{"to":"you","n":1,"to":"me","deep":{"a":1,"a":2}}' in path.read_bytes().replace(
        b"\\u0074", b"t"
    )


VALUES = {
    "secret_of_config": "Zx9Kq77LmPwYY",
    "token_of_caller": "opaque-token-of-alice",
    "passed_on": "KeyValueOfAlice",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz0123",
    "openai": "sk-abcdefghijklmnopqrstuvwx",
}


async def line_of(tmp_path, make, **audit):
    """The last line, and its text, of what a client with `VALUES` sends."""
    path = tmp_path / "audit.log"
    static = {"addHeadersFromSecret": [{"headerName": "X-Static", "valueSecretRef": {"name": "k", "key": "s"}}]}
    more = {
        **settings(path, **(audit or {"includeRequestData": True})),
        "passthroughHeaders": ["X-My-Key"],
        "more": {"web": {"headerForward": static}},
        "secrets": {("k", "s"): VALUES["secret_of_config"]},
    }
    headers = {"x_my_key": VALUES["passed_on"], "authorization": f"Bearer {VALUES['token_of_caller']}"}
    async with scene({"web": ScriptedBackend(tools=[tool("read")])}, **more) as world:
        with world.inside.authenticated_by(WithClaims()):
            world.apply()
        async with world.session(**headers) as client:
            method, params = make(client.session)
            await client.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, **headers)
            events = await events_in(path, 3)
    return events[-1], json.dumps(events[-1], ensure_ascii=False)


async def test_arguments_of_a_decision_hide_what_the_data_beside_them_hides(tmp_path):
    hidden = {name: {"list": [json.dumps({"x": f"a {value} b"})]} for name, value in VALUES.items()}
    arguments = {"q": "x", **VALUES, **{f"deep_{name}": value for name, value in hidden.items()}}

    def call(session):
        return "tools/call", {"name": "web_read", "arguments": {**arguments, "of_session": session}}

    event, written = await line_of(tmp_path, call)
    assert event["data"]["request"]["arguments"]["aws"] == "***"
    assert event["decision"]["arguments"] == {"q": "x"}
    assert sorted(event["decision"]["masked"]) == sorted([*arguments.keys() - {"q"}, "of_session"])
    assert [value for value in VALUES.values() if value in written] == []


async def test_an_argument_that_has_a_secret_for_its_name_leaves_out_all_of_them(tmp_path):
    call = {"name": "web_read", "arguments": {VALUES["passed_on"]: 1, "api_key": 2, "q": 3}}
    event, written = await line_of(tmp_path, lambda _session: ("tools/call", call))
    assert not {"arguments", "masked"} & event["decision"].keys()
    assert VALUES["passed_on"] not in written


@pytest.mark.parametrize("content", [True, False])
async def test_a_target_is_written_without_the_secrets_in_it(tmp_path, content):
    uri = f"https://user:pa55word@h/x?api_key=zzzzzz123&x={VALUES['passed_on']}"
    event, written = await line_of(
        tmp_path, lambda _session: ("resources/read", {"uri": uri}), includeRequestData=content
    )
    assert ("data" in event) is content
    hidden = "https://***@h/x?api_key=***&x=***"
    assert (event["target"]["name"], event["decision"]["resource"]) == (hidden, hidden)
    assert "pa55word" not in written
    assert "zzzzzz123" not in written


async def test_what_is_too_much_is_left_out_and_so_is_not_taken_for_nothing(tmp_path):
    small, large = {"name": "web_read"}, {"name": "web_read", "arguments": {"q": "x" * 100}}
    first, second = await decisions(tmp_path, small, large, includeRequestData=True, maxDataSize=64)
    assert (first["arguments"], "arguments" in second) == ({}, False)
    (tmp_path / "audit.log").unlink()
    (third,) = await decisions(tmp_path, small, includeClaims=["org"], maxDataSize=8)
    assert "claims" not in third


async def test_lines_end_where_events_do_however_a_client_writes_its_arguments(tmp_path):
    path = tmp_path / "audit.log"
    backend = ScriptedBackend(tools=[tool("read")])
    async with scene({"web": backend}, **settings(path, includeRequestData=True)) as world:
        with world.inside.authenticated_by(WithClaims()):
            world.apply()
        async with world.session() as client:
            call = {"name": "web_read", "arguments": {"a": {"b": [1, 2]}, "c": "d\ne"}}
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}, indent=1)
            await client.post(body.replace("\n", "\r\n").encode())
            events = await events_in(path, 3)
    assert len(events) == 3
    assert events[-1]["decision"]["arguments"] == call["arguments"]
    assert events[-1]["subject"] == {"issuer": ISSUER, "subject": "alice"}
