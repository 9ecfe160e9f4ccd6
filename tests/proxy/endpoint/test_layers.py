"""The layers of the chain, seen from outside of a whole proxy: who answers, who counts, who writes it down."""

import json

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.serve.harness import TokenAuthenticator
from tests.support.raw_client import eventually, initialize
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, text

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "one_echo"}}
ALWAYS = (
    "recovery",
    "stream_timeout",
    "header_validation",
    "header_capture",
    "authentication",
    "mcp_parsing",
    "telemetry",
)
WITH_AUDIT = (*ALWAYS[:5], "audit", "backend_enrichment", *ALWAYS[5:])


def audited(path):
    return {**QUIET, "audit": {"enabled": True, "sink": "file", "path": str(path)}}


async def events_in(path, count):
    """The audit events, once there are this many; a thread writes them."""

    def lines():
        return path.read_text().splitlines() if path.exists() else []

    await eventually(lambda: len(lines()) >= count)
    return [json.loads(line) for line in lines()]


def counted(values, name):
    return {key.removeprefix(name): value for key, value in values.items() if key.startswith(name + "{")}


@pytest.mark.scenario("C-1")
async def test_audit_and_enrichment_come_and_go_with_the_config_while_the_proxy_serves(tmp_path):
    path = tmp_path / "audit.log"
    async with scene({"one": ScriptedBackend()}, config=QUIET) as world, world.session() as client:
        assert world.inside.layers == ALWAYS
        await client.call("one_echo")
        assert not path.exists()
        world.apply(config=audited(path))
        assert world.inside.layers == WITH_AUDIT
        await client.call("one_echo")
        (event,) = await events_in(path, 1)
        assert (event["type"], event["backend"]) == ("mcp_tool_call", "one")
        world.apply(config=QUIET)
        assert world.inside.layers == ALWAYS
        await client.call("one_echo")
    assert len(await events_in(path, 1)) == 1


@pytest.mark.scenario("C-1", "C-7", "C-8")
async def test_authentication_refuses_after_the_headers_were_judged_and_before_the_body_is(tmp_path):
    """With an authenticator that refuses whoever presents nothing, in the chain that the proxy builds."""
    path = tmp_path / "audit.log"
    async with scene({"one": ScriptedBackend()}, config=audited(path)) as world, world.client() as client:
        with world.inside.authenticated_by(TokenAuthenticator()):
            world.apply()
        faults = {"host": "evil.example", "content_type": "text/plain"}
        assert (await client.post(b"{", **faults)).status_code == 421
        del faults["host"]
        assert (await client.post(b"{", **faults)).status_code == 415
        refused = await client.post(b"{")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="vmcp"')
        for message in (initialize(), CALL):
            assert (await client.post(message)).status_code == 401
        assert (await client.send("GET", accept="text/event-stream")).status_code == 401
        assert await client.delete() == 401
        assert (await client.post(b"{", authorization="Bearer x")).status_code == 400
        client.headers["authorization"] = "Bearer x"
        await client.open()
        assert (await client.call("one_echo"))["content"]
        values = await world.metrics()

    assert counted(values, "vmcp_http_rejected_total") == {
        '{layer="header_validation",status="421"}': 1,
        '{layer="header_validation",status="415"}': 1,
        '{layer="authentication",status="401"}': 5,
        '{layer="mcp_parsing",status="400"}': 1,
    }
    # Telemetry stands inside: what was refused further out is no request of any method.
    assert sum(counted(values, "vmcp_requests_total").values()) == 3
    events = await events_in(path, 11)
    assert [(event["status"], event["rejected_by"], event["outcome"]) for event in events] == [
        (421, "header_validation", "failure"),
        (415, "header_validation", "failure"),
        *[(401, "authentication", "denied")] * 5,
        (400, "mcp_parsing", "failure"),
        *[(status, "", "success") for status in (200, 202, 200)],
    ]
    assert [event["subject"] is None for event in events] == [True] * 7 + [False] * 4


@pytest.mark.scenario("C-1", "C-2", "C-8")
async def test_telemetry_and_audit_see_the_real_method_and_name_of_what_crashes_further_in(tmp_path):
    path = tmp_path / "audit.log"
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=audited(path)) as world, world.session() as client:
        await events_in(path, 2)

        async def crash(*_, **__):
            raise RuntimeError("inner detail")

        with world.inside.replaced("requests", crash):
            answer = await client.post(CALL)
        assert answer.status_code == 200
        assert "inner" not in answer.text

        @backend.on("tools/call")
        async def fail(call):
            return text("no", isError=True)

        assert (await client.call("one_echo"))["isError"]
        assert (await client.post(PING)).status_code == 200
        requests = counted(await world.metrics(), "vmcp_requests_total")
        assert requests['{method="tools/call",status="500"}'] == 1
        assert requests['{method="tools/call",status="200"}'] == 1
        assert requests['{method="ping",status="200"}'] == 1
        crashed, failed, pinged = (await events_in(path, 5))[2:]
    assert (crashed["target"]["name"], crashed["outcome"], crashed["status"]) == ("one_echo", "error", 500)
    assert (failed["target"]["name"], failed["outcome"], failed["backend"]) == ("one_echo", "application_error", "one")
    assert (pinged["type"], pinged["outcome"]) == ("mcp_ping", "success")


@pytest.mark.scenario("C-1", "C-3")
async def test_the_stream_timeout_cuts_what_hangs_anywhere_but_no_stream_and_recovery_still_answers(tmp_path):
    path = tmp_path / "audit.log"
    config = audited(path)
    config["operational"] = {**config["operational"], "timeouts": {"maximum": "300ms"}}
    backend = ScriptedBackend()
    async with scene({"one": backend}, config=config) as world, world.session() as client:
        async with client.listening() as stream:
            await eventually(lambda: stream.comments)

            async def hang(*_, **__):
                await eventually(lambda: False, 30)

            with world.inside.replaced("requests", hang):
                assert (await client.post(CALL)).status_code == 200
            assert (await client.call("one_echo"))["content"]
            assert not stream.ended
            requests = counted(await world.metrics(), "vmcp_requests_total")
            assert requests['{method="tools/call",status="504"}'] == 1
        events = [event for event in await events_in(path, 4) if event["type"] == "mcp_tool_call"]
    assert [(event["status"], event["outcome"]) for event in events] == [(504, "error"), (200, "success")]
