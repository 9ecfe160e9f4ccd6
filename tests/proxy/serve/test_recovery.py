"""A crash anywhere becomes one plain answer, and the process goes on."""

import json

import httpx2
import pytest

from tests.proxy.serve.harness import answer_empty, call
from tests.support.callers import AskedEachTime
from vmcp_proxy.auth.incoming.anonymous import AnonymousAuthenticator
from vmcp_proxy.headerforward import AllowList
from vmcp_proxy.observability.logs import describe_exception

CANARY = "canary-4f1c"


class Broken(AskedEachTime, AnonymousAuthenticator):
    async def authenticate(self, authorization, source):
        raise LookupError(f"cannot look up {CANARY}")


class BrokenList(AllowList):
    def capture(self, headers):
        raise LookupError(CANARY)


class BrokenMessage(dict):
    def get(self, *_):
        raise LookupError(CANARY)


async def crash(context):
    raise ValueError(f"bad header {CANARY}") from KeyError(CANARY)


def assert_plain_500(answer: httpx2.Response, world) -> None:
    assert answer.status_code == 500
    body = answer.json()
    request_id = body["error"]["data"].pop("requestId")
    assert body == {
        "jsonrpc": "2.0",
        "id": body["id"],
        "error": {"code": -32603, "message": "Internal error", "data": {}},
    }
    crashes = [line for line in world.log_lines if line["event"] == "request crashed"]
    assert [line["request_id"] for line in crashes] == [request_id]
    assert "test_recovery.py" in crashes[0]["error"] or "serve" in crashes[0]["error"]
    assert CANARY not in world.log.getvalue() + answer.text


@pytest.mark.scenario("C-2")
async def test_a_crash_of_the_dispatch_is_answered_and_logged_by_id_without_detail(world):
    world.dispatch = crash
    async with world.serving():
        answer = await world.post(call(request_id=7), authorization=f"Bearer {CANARY}")
        assert_plain_500(answer, world)
        assert answer.json()["id"] == 7
        world.dispatch = answer_empty
        assert (await world.post()).status_code == 200


@pytest.mark.scenario("C-2")
async def test_a_crash_of_one_call_of_a_session_leaves_its_client_connected(world):
    world.dispatch = crash
    async with world.serving():
        answer = await world.post(call(request_id=7), mcp_session_id="some")
    assert (answer.status_code, answer.json()["id"], answer.json()["error"]["code"]) == (200, 7, -32603)
    assert world.scrape()['vmcp_requests_total{method="tools/call",status="500"}'] == 1


@pytest.mark.scenario("C-2")
async def test_a_crash_in_authentication_is_answered_too(world):
    async with world.serving(authenticator=Broken()):
        assert_plain_500(await world.post(), world)
        world.rebuild(authenticator=AnonymousAuthenticator())
        assert (await world.post()).status_code == 200
    assert world.scrape()['vmcp_http_rejected_total{layer="recovery",status="500"}'] == 1


@pytest.mark.scenario("C-2")
@pytest.mark.parametrize("layer", ["metrics", "sink"])
async def test_a_crash_in_a_layer_that_runs_after_the_answer_harms_no_one(world, layer, monkeypatch):
    def explode(*_):
        raise LookupError(CANARY)

    world.audited()
    monkeypatch.setattr(*{"metrics": (world.metrics, "on_request"), "sink": (world.sink, "write")}[layer], explode)
    async with world.serving():
        assert (await world.post()).status_code == 200
        assert (await world.post()).status_code == 200
    assert len(world.log_lines) == 2


@pytest.mark.scenario("C-2")
async def test_a_crash_in_header_capture_is_answered(world):
    async def capture(context):
        context.captured()
        await answer_empty(context)

    world.dispatch = capture
    async with world.serving(allow_list=BrokenList((("x", "X"),))):
        assert_plain_500(await world.post(), world)


@pytest.mark.scenario("C-2")
async def test_a_crash_in_parsing_is_answered(world, monkeypatch):
    def explode(_):
        raise LookupError(CANARY)

    monkeypatch.setattr("vmcp_proxy.serve.chain.parsing.parse_body", explode)
    async with world.serving():
        assert_plain_500(await world.post(), world)


@pytest.mark.scenario("C-2")
async def test_a_crash_after_the_answer_began_closes_the_connection_with_the_answer_incomplete(world):
    async def crash_late(context):
        await context.start_stream()
        await context.write(b"data: 1\n\n")
        raise ValueError(CANARY)

    world.dispatch = crash_late
    async with world.serving():
        with pytest.raises(httpx2.RemoteProtocolError):
            await world.post()
        world.dispatch = answer_empty
        assert (await world.post()).status_code == 200
    assert CANARY not in world.log.getvalue()


def fail_with_a_cause():
    try:
        {}[CANARY]
    except KeyError as error:
        raise ExceptionGroup(CANARY, [ValueError(CANARY), OSError(CANARY)]) from error


def test_an_exception_is_described_by_type_and_place_with_causes_and_group_but_no_message():
    with pytest.raises(ExceptionGroup) as caught:
        fail_with_a_cause()
    text = describe_exception(caught.value)
    assert CANARY not in text
    for name in ("KeyError", "ExceptionGroup", "ValueError", "OSError", "test_recovery.py"):
        assert name in text


async def test_the_answer_of_a_crash_is_json(world):
    world.dispatch = crash
    async with world.serving():
        answer = await world.post()
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.content)["id"] == 1
