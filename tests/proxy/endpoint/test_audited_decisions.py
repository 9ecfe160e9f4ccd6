"""Decisions in the audit log: what was asked and answered, and no more of the caller than the settings say."""

import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_layers import events_in
from tests.support.callers import ISSUER, identity_of
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool

pytestmark = pytest.mark.scenario("Z-8")

PERMIT = '@id("readers") permit(principal in Group::"readers", action, resource);'


class WithClaims:
    """Lets everybody in as alice, with more claims than anybody should write down."""

    async def authenticate(self, authorization):
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
