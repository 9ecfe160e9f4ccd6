"""The audit log: who asked for what, who served it, how it ended."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.proxy.serve.harness import TokenAuthenticator, answer_empty, call, message
from vmcp_api.spec.audit import Audit
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.local import LocalAuthenticator
from vmcp_proxy.headerforward import AllowList
from vmcp_proxy.observability.audit import (
    AuditEvent,
    EventFilter,
    Outcome,
    Target,
    encode_event,
    event_type,
    outcome_of_status,
)
from vmcp_proxy.serve.chain.sources import parse_networks, source_address

CANARY = "canary-88d1"


async def serve_from_a(context):
    context.backend = "a"
    context.session_ref = "0123abcd"
    await answer_empty(context)


@pytest.mark.scenario("C-7", "O-1")
async def test_an_event_names_subject_target_backend_session_and_outcome(world):
    world.audited()
    world.dispatch = serve_from_a
    async with world.serving(authenticator=LocalAuthenticator("ada")):
        answer = await world.post(call("add"))
    (event,) = world.sink.events
    assert event["log"] == "audit"
    assert event["type"] == "mcp_tool_call"
    assert event["outcome"] == "success"
    assert event["component"] == "default/demo"
    assert event["subject"] == {"issuer": "local", "subject": "ada"}
    assert event["target"] == {"method": "tools/call", "name": "add"}
    assert (event["backend"], event["session"], event["source"]) == ("a", "0123abcd", "127.0.0.1")
    assert (event["request_bytes"], event["response_bytes"]) == (len(call("add")), len(answer.content))
    assert event["status"] == 200
    assert 0 < event["duration_ms"] < 10_000
    assert event["time"].endswith("Z")
    assert abs(datetime.fromisoformat(event["time"]) - datetime.now(UTC)).total_seconds() < 60


@pytest.mark.scenario("C-7")
async def test_what_authentication_refuses_is_audited(world):
    world.settings = type(world.settings)(world.settings.policy, 3600.0, TokenAuthenticator(), AllowList.of(()))
    world.audited()
    async with world.serving():
        answer = await world.post()
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="vmcp"'
        await world.post(authorization=f"Bearer {CANARY}")
    refused, served = world.sink.events
    assert (refused["type"], refused["outcome"], refused["status"]) == ("http_rejected", "denied", 401)
    assert (refused["rejected_by"], refused["subject"]) == ("authentication", None)
    assert served["outcome"] == "success"
    assert CANARY not in json.dumps(world.sink.events)


@pytest.mark.scenario("C-7")
async def test_what_the_core_denies_is_audited_with_its_target(world):
    async def deny(context):
        context.outcome = Outcome.DENIED
        await context.respond(403, b"{}")

    world.audited()
    world.dispatch = deny
    async with world.serving():
        await world.post(call("secret_tool"))
    (event,) = world.sink.events
    assert (event["outcome"], event["status"]) == ("denied", 403)
    assert event["target"] == {"method": "tools/call", "name": "secret_tool"}


@pytest.mark.scenario("C-7")
@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        # The member that the method goes by, as it is judged and routed, not one beside it.
        ("resources/read", {"name": "decoy", "uri": "test://asked"}, "test://asked"),
        ("tools/call", {"name": "asked", "ref": {"name": "decoy"}}, "asked"),
        ("tools/call", {"name": "asked", "uri": 5}, "asked"),
        ("completion/complete", {"name": "decoy", "ref": {"uri": "test://{asked}"}}, "test://{asked}"),
        # What is refused for its params is about nothing.
        ("completion/complete", {"ref": {"name": "decoy", "uri": "test://decoy"}}, ""),
        ("tools/call", {"name": 5}, ""),
        ("tools/call", [], ""),
    ],
)
async def test_an_event_names_what_the_request_is_judged_and_routed_by(world, method, params, name):
    async def refuse(context):
        await context.respond(404, b"{}")

    world.audited()
    world.dispatch = refuse
    async with world.serving():
        await world.post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode())
    (event,) = world.sink.events
    assert event["target"].get("name", "") == name


@pytest.mark.scenario("C-7")
async def test_concurrent_calls_never_swap_identities_targets_or_backends(world):
    arrived = asyncio.Barrier(20)

    class ByToken(TokenAuthenticator):
        async def authenticate(self, authorization, source):
            await asyncio.sleep(0)
            return Identity("test", authorization.decode())

    async def meet(context):
        context.backend = f"backend-of-{context.target}"
        await arrived.wait()
        context.session_ref = context.identity.subject
        await answer_empty(context)

    world.audited()
    world.dispatch = meet
    async with world.serving(authenticator=ByToken()):
        await asyncio.gather(*(world.post(call(f"t{n}"), authorization=f"t{n}") for n in range(20)))
    assert len(world.sink.events) == 20
    for event in world.sink.events:
        name = event["target"]["name"]
        assert event["subject"]["subject"] == event["session"] == name
        assert event["backend"] == f"backend-of-{name}"


@pytest.mark.scenario("O-1")
async def test_every_way_to_end_has_its_outcome(world):
    async def fail_tool(context):
        context.outcome = Outcome.APPLICATION_ERROR
        await answer_empty(context)

    async def crash(context):
        raise ValueError(CANARY)

    world.audited()
    async with world.serving():
        await world.post()
        world.dispatch = fail_tool
        await world.post()
        world.dispatch = crash
        await world.post(call("crashing"))
        await world.post(b"{")
    outcomes = [(event["outcome"], event["status"], event["type"]) for event in world.sink.events]
    assert outcomes == [
        ("success", 200, "mcp_tool_call"),
        ("application_error", 200, "mcp_tool_call"),
        ("error", 500, "mcp_tool_call"),
        ("failure", 400, "http_rejected"),
    ]
    assert world.sink.events[2]["target"]["name"] == "crashing"


@pytest.mark.scenario("O-1")
async def test_a_request_that_is_cut_is_audited_as_an_error(world):
    async def hang(context):
        await asyncio.Event().wait()

    world.audited()
    world.dispatch = hang
    async with world.serving(maximum=0.05):
        await world.post()
    (event,) = world.sink.events
    assert (event["outcome"], event["status"]) == ("error", 504)


@pytest.mark.scenario("H-7")
async def test_no_header_value_and_no_content_stands_in_the_audit(world):
    world.audited()
    async with world.serving(allow_list=AllowList.of(["X-Api-Key"])):
        headers = {"x_api_key": CANARY, "mcp_session_id": CANARY, "cookie": CANARY, "authorization": CANARY}
        await world.post(call(text=CANARY), **headers)
        await world.post(b'{"' + CANARY.encode(), **headers)
    assert len(world.sink.events) == 2
    assert CANARY not in json.dumps(world.sink.events) + world.log.getvalue()


@pytest.mark.scenario("O-1")
async def test_event_types_are_filtered(world):
    audit = Audit(enabled=True, event_types=("mcp_tool_call", "mcp_ping"), exclude_event_types=("mcp_ping",))
    world.audited(filter=EventFilter.of(audit))
    async with world.serving():
        await world.post(message("ping"))
        await world.post(message("tools/list"))
        await world.post(message("tools/call", name="x"))
    assert [event["type"] for event in world.sink.events] == ["mcp_tool_call"]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("initialize", "mcp_initialize"),
        ("tools/list", "mcp_list"),
        ("resources/read", "mcp_resource_read"),
        ("prompts/get", "mcp_prompt_get"),
        ("notifications/cancelled", "mcp_notification"),
        ("DELETE", "mcp_session_end"),
        ("GET", "mcp_stream"),
        ("vendor/method", "mcp_other"),
        ("", "http_rejected"),
    ],
)
def test_a_method_has_an_event_type(method, kind):
    assert event_type(method) == kind


def test_a_status_has_an_outcome():
    outcomes = {status: outcome_of_status(status).value for status in (200, 202, 304, 400, 401, 403, 404, 503, 0)}
    assert list(outcomes.values()) == [
        "success", "success", "success", "failure", "denied", "denied", "failure", "error", "error",
    ]  # fmt: skip


TRUSTED = parse_networks(("10.0.0.0/8", "fd00::/8"))


@pytest.mark.scenario("O-1")
@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", ["evil, 10.2.2.2"], "10.2.2.2"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("203.0.113.7", ["1.2.3.4"], "203.0.113.7"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("fd00::1", ["fe80::1%any text"], "fe80::1"),
        (None, ["1.2.3.4"], None),
    ],
)
def test_the_source_is_what_trusted_proxies_vouch_for(peer, forwarded, source):
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert source_address(peer, headers, TRUSTED) == source


def test_without_trusted_proxies_the_peer_is_the_source():
    assert source_address("10.0.0.1", [(b"x-forwarded-for", b"1.2.3.4")], ()) == "10.0.0.1"


def event(name: str) -> AuditEvent:
    return AuditEvent(
        id="a",
        time=datetime.now(UTC),
        type="mcp_tool_call",
        outcome=Outcome.SUCCESS,
        component=name,
        source=name,
        subject=None,
        target=Target("tools/call", name),
        backend=name,
        session="",
        status=200,
        rejected_by="",
        duration_ms=1.0,
        request_bytes=0,
        response_bytes=0,
        request_id="r",
    )


@pytest.mark.scenario("X-2")
@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("\x85\x9b31m\u2028\u202eevil\x7f\ufeff")
def test_no_value_can_begin_another_line_or_turn_what_a_terminal_shows(name):
    line = encode_event(event(name))
    assert len(line.decode().splitlines()) == 1
    assert not {each for each in line.decode()[:-1] if not each.isprintable()}.intersection(
        "\x7f\x85\x9b\u2028\u202e\ufeff"
    )
    assert json.loads(line)["target"].get("name", "") == name
