"""The first HTTP transport: one stream is one session, and nothing is ever sent twice."""

import asyncio
import contextlib
import json

import msgspec
import pytest

from tests.proxy.backends.helpers import CAP, CLIENT_HEADERS, Recorder, call, sse_backend, within
from tests.support.old_server import OldServer
from tests.support.raw_client import eventually
from tests.support.raw_server import RawServer, answer_to, event, notification
from tests.support.terms import legacy
from vmcp_proxy.backends.errors import BackendError, Category, SessionLostError
from vmcp_proxy.backends.interface import OWN_TERMS


@contextlib.asynccontextmanager
async def opened(old, capabilities=b"{}"):
    async with sse_backend(old.server) as backend:
        yield backend, await backend.open(legacy(capabilities), CLIENT_HEADERS, within())


@pytest.mark.scenario("B-1", "H-5")
@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_messages_go_to_the_endpoint_with_the_headers_of_the_session_and_answers_come_on_the_stream(version):
    old = OldServer(version=version)
    async with opened(old) as (_, session):
        texts = await asyncio.gather(*(call(session, name=f"t{number}") for number in range(20)))
        assert texts == [f"t{number}" for number in range(20)]
        assert session.hello.version == version
        await session.close(CLIENT_HEADERS)
    assert {each.target for each in old.server.of("POST")} == {"/messages?session_id=1"}
    assert {each.headers["x-api-key"] for each in old.server.asked} == {b"canary"}
    assert len(old.server.of("POST", "initialize")) == 1
    assert len(old.server.of("POST", "notifications/initialized")) == 1
    assert old.server.of("GET")[0].headers["accept"] == b"text/event-stream"


async def test_a_revision_that_is_not_known_is_refused_and_the_stream_closed():
    old = OldServer(version="2023-01-01")
    async with sse_backend(old.server) as backend:
        with pytest.raises(BackendError, match="revision '2023-01-01'"):
            await backend.open(OWN_TERMS, CLIENT_HEADERS, within())
        assert not backend._sessions


@pytest.mark.scenario("B-5")
@pytest.mark.parametrize(
    ("endpoint", "target"),
    [
        (b"/messages/?s=1", "/messages/?s=1"),
        (b"messages?s=1", "/v1/messages?s=1"),
        (b"?s=1", "/v1/sse?s=1"),
        (b"../m", "/m"),
        (b"http://127.0.0.1:PORT/m#f", "/m"),
        (b" /m ", "/m"),
    ],
)
async def test_every_form_of_the_endpoint_within_the_origin_is_understood(endpoint, target):
    old = OldServer()
    async with sse_backend(old.server, "/v1/sse") as backend:
        old.endpoint = endpoint.replace(b"PORT", b"%d" % old.server.port)
        session = await backend.open(OWN_TERMS, CLIENT_HEADERS, within())
        assert await call(session, name="t") == "t"
    assert {each.target for each in old.server.of("POST")} == {target}


@pytest.mark.scenario("B-5")
@pytest.mark.parametrize(
    "endpoint",
    [b"http://localhost:PORT/m", b"https://127.0.0.1:PORT/m", b"//evil.example/m", b"http://127.0.0.1:1/m"],
)
async def test_an_endpoint_at_another_origin_is_refused_and_nothing_is_sent_there(endpoint):
    old = OldServer()
    async with sse_backend(old.server) as backend:
        old.endpoint = endpoint.replace(b"PORT", b"%d" % old.server.port)
        with pytest.raises(BackendError, match="another origin") as failed:
            await backend.open(OWN_TERMS, CLIENT_HEADERS, within())
        assert failed.value.category is Category.REFUSED
        assert "127.0.0.1" not in str(failed.value)
        assert "evil" not in str(failed.value)
        assert not old.server.of("POST")
        assert not backend._sessions


@pytest.mark.parametrize(
    ("endpoint", "category"),
    [(b"http://[", "protocol"), (b"\xff", "protocol"), (b"a b", "protocol"), (None, "timeout")],
)
async def test_a_stream_without_a_usable_endpoint_fails_in_time(endpoint, category):
    old = OldServer(endpoint)
    async with sse_backend(old.server) as backend:
        with pytest.raises(BackendError) as failed:
            await backend.open(OWN_TERMS, CLIENT_HEADERS, within(0.3))
        assert failed.value.category == category
        assert not backend._sessions


@pytest.mark.parametrize(("status", "category"), [(401, "auth"), (404, "refused"), (405, "refused"), (503, "failed")])
async def test_a_server_without_such_a_stream_is_told_apart(status, category):
    async def refuse(asked):
        await asked.status(status)

    async with sse_backend(RawServer(refuse)) as backend:
        with pytest.raises(BackendError, match=f"HTTP status {status}") as failed:
            await backend.open(OWN_TERMS, CLIENT_HEADERS, within())
        assert failed.value.category == category


@pytest.mark.scenario("B-2")
@pytest.mark.parametrize("broken", [False, True], ids=["ends", "breaks"])
async def test_a_lost_stream_fails_the_calls_in_flight_and_the_next_one_needs_a_new_session(broken):
    old = OldServer()

    async def lose(asked):
        if broken:
            await old.streams[-1].write(b"zz\r\n")
        await old.cut()

    old.on_call = lose
    async with opened(old) as (backend, session):
        listening = asyncio.create_task(session.listen(CLIENT_HEADERS, Recorder()))
        await asyncio.sleep(0)
        with pytest.raises(BackendError) as failed:
            await call(session)
        assert not isinstance(failed.value, SessionLostError)
        assert failed.value.category is (Category.PROTOCOL if broken else Category.FAILED)
        with pytest.raises(BackendError):
            await listening
        old.on_call = old.answer
        with pytest.raises(SessionLostError):
            await call(session)
        assert len(old.server.of("POST", "tools/call")) == 1
        again = await backend.open(OWN_TERMS, CLIENT_HEADERS, within())
        assert await call(again, name="t") == "t"


@pytest.mark.scenario("B-2")
@pytest.mark.parametrize(
    ("status", "body"), [(404, b"Could not find session"), (410, b""), (400, b"Invalid session ID")]
)
async def test_a_session_that_the_server_has_forgotten_is_lost_before_anything_ran(status, body):
    old = OldServer()

    async def forget(asked):
        await asked.status(status, body)

    async with opened(old) as (_, session):
        old.on_post = forget
        with pytest.raises(SessionLostError):
            await call(session)
        with pytest.raises(SessionLostError):
            await call(session)
        assert len(old.server.of("POST", "tools/call")) == 1


@pytest.mark.parametrize(("status", "category"), [(401, "auth"), (400, "refused"), (500, "failed")])
async def test_a_refused_post_fails_its_call_alone(status, category):
    old = OldServer()

    async def refuse(asked):
        if asked.method == "tools/call" and asked.message["params"]["name"] == "bad":
            await asked.status(status)
        else:
            await old.accept(asked)

    async with opened(old) as (_, session):
        old.on_post = refuse
        with pytest.raises(BackendError) as failed:
            await call(session, name="bad")
        assert failed.value.category == category
        assert await call(session, name="good") == "good"


async def test_an_answer_that_comes_before_the_receipt_is_taken():
    old = OldServer()
    hold = asyncio.Event()

    async def late_receipt(asked):
        await old.respond(asked)
        if asked.method == "tools/call":
            await hold.wait()
        await asked.status(202)

    old.on_post = late_receipt
    async with opened(old) as (_, session):
        async with asyncio.timeout(30):
            assert await call(session, name="t") == "t"
        hold.set()


async def test_a_receipt_that_never_comes_fails_no_call_that_is_answered(monkeypatch):
    monkeypatch.setattr("vmcp_proxy.backends.sse.session._RECEIPT_SECONDS", 0.1)
    old = OldServer()

    async def no_receipt(asked):
        if asked.method == "tools/call":
            await eventually(lambda: not session._posts)
            await old.respond(asked)
            await asyncio.Event().wait()
        await old.accept(asked)

    old.on_post = no_receipt
    async with opened(old) as (_, session):
        assert await call(session, name="t") == "t"


async def test_a_receiver_that_does_not_come_back_does_not_stretch_the_call():
    old = OldServer()

    async def talk(asked):
        await old.say(notification("notifications/x"))

    class Stuck(Recorder):
        async def on_notification(self, method, params):
            await asyncio.Event().wait()

    old.on_call = talk
    async with opened(old) as (_, session), asyncio.timeout(30):
        with pytest.raises(BackendError) as failed:
            await call(session, Stuck(), seconds=0.2)
        assert failed.value.category is Category.TIMEOUT


@pytest.mark.scenario("B-3")
async def test_a_call_that_takes_too_long_is_cancelled_at_the_server():
    old = OldServer()

    async def never(asked):
        pass

    old.on_call = never
    async with opened(old) as (_, session):
        with pytest.raises(BackendError) as failed:
            await call(session, seconds=0.2, number=77)
        assert failed.value.category is Category.TIMEOUT
        (cancelled,) = old.server.of("POST", "notifications/cancelled")
        assert cancelled.message["params"]["requestId"] == 77
        old.on_call = old.answer
        assert await call(session, name="t") == "t"


async def test_the_servers_own_words_reach_the_call_or_the_listener_and_answers_go_back():
    old = OldServer()
    listener, caller = Recorder(), Recorder()

    async def talk(asked):
        token = asked.message["params"]["_meta"]["progressToken"]
        await old.say(
            notification("notifications/progress", progressToken=token, progress=1),
            notification("notifications/tools/list_changed"),
            {"jsonrpc": "2.0", "id": "p", "method": "ping"},
            {"jsonrpc": "2.0", "id": 10**17, "method": "roots/list"},
        )
        await eventually(lambda: any("result" in each.message for each in old.server.of("POST")))
        await eventually(lambda: caller.asked)
        await old.answer(asked)

    old.on_call = talk
    async with opened(old, b'{"roots":{}}') as (_, session):
        listening = asyncio.create_task(session.listen(CLIENT_HEADERS, listener))
        await eventually(lambda: session._conversation._demultiplexer._listeners)
        await call(session, caller)
        request, reply = caller.asked[0]
        assert bytes(request.id) == b"100000000000000000"
        await reply(b'{"jsonrpc":"2.0","id":%b,"result":{"roots":[]}}' % request.id)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert old.server.of("POST", "initialize")[0].message["params"]["capabilities"] == {"roots": {}}
    replies = [each for each in old.server.of("POST") if "result" in each.message]
    assert [each.message["id"] for each in replies] == ["p", 10**17]
    assert {each.headers["x-api-key"] for each in replies} == {b"canary"}
    assert caller.methods == ["notifications/progress"]
    assert listener.methods == ["notifications/tools/list_changed"]


HOSTILE = {
    "line without end": (b"data: " + b"x" * 4 * CAP, Category.TOO_LARGE),
    "event without end": (b"data: x\n" * CAP, Category.TOO_LARGE),
    "no chunk": (None, Category.PROTOCOL),
}


@pytest.mark.scenario("B-4")
@pytest.mark.parametrize(("data", "category"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_stream_is_cut_off_with_an_error(data, category):
    old = OldServer()

    async def flood(asked):
        stream = old.streams[-1]
        if data is None:
            await stream.write(b"no chunk at all\r\n")
        else:
            await stream.send(data)

    old.on_call = flood
    async with opened(old) as (backend, session):
        with pytest.raises(BackendError) as failed:
            await call(session)
        assert failed.value.category is category
        await eventually(lambda: not backend._sessions)


@pytest.mark.scenario("B-4")
@pytest.mark.parametrize("part", ['"result":null', '"result":[]', '"error":{}', '"error":{"code":"1","message":"x"}'])
async def test_an_answer_without_a_result_or_an_error_fails_its_call_alone(part):
    old = OldServer()

    async def answer(asked):
        await old.streams[-1].send(b'data: {"jsonrpc":"2.0","id":%d,%b}\n\n' % (asked.message["id"], part.encode()))

    async with opened(old) as (_, session):
        fine, old.on_call = old.on_call, answer
        with pytest.raises(BackendError) as failed:
            await call(session)
        assert failed.value.category is Category.PROTOCOL
        old.on_call = fine
        assert await call(session)


@pytest.mark.scenario("B-4")
async def test_nonsense_between_single_bytes_harms_nobody():
    old = OldServer()

    async def babble(asked):
        number = asked.message["id"]
        parts = [
            b": comment\n\n",
            b"data: \xff\xfe\n\n",
            b"data: no json\n\n",
            b"event: ping\ndata: 1\n\n",
            b"event: endpoint\ndata: http://evil.example/\n\n",
            event({"jsonrpc": "2.0", "id": 999, "result": {}}),
            event({"jsonrpc": "2.0", "id": f"{number}x", "result": {"content": []}}),
            b'data: {"jsonrpc":"2.0","id":true,"result":{}}\n\n',
            event(json.dumps([answer_to(number, "in a batch")]).encode()),
            event(answer_to(number, "again")),
        ]
        for byte in b"".join(parts):
            await old.streams[-1].send(bytes((byte,)))

    old.on_call = babble
    async with opened(old) as (_, session):
        assert await call(session) == "in a batch"
        old.on_call = old.answer
        assert await call(session, name="t") == "t"


@pytest.mark.scenario("B-4")
async def test_an_answer_beyond_the_cap_is_a_clear_error():
    old = OldServer()

    async def large(asked):
        await old.say(answer_to(asked.message["id"], "x" * CAP))

    old.on_call = large
    async with opened(old) as (_, session):
        with pytest.raises(BackendError, match="larger than the limit"):
            await call(session)


async def test_a_backend_that_is_closed_lets_calls_finish_and_opens_nothing_more():
    old = OldServer()
    hold, came = asyncio.Event(), asyncio.Event()

    async def wait(asked):
        came.set()
        await hold.wait()
        await old.answer(asked)

    old.on_call = wait
    async with opened(old) as (backend, session):
        calling = asyncio.create_task(call(session, name="t"))
        await came.wait()
        closing = asyncio.create_task(backend.aclose())
        await asyncio.sleep(0)
        hold.set()
        assert await calling == "t"
        await closing
        assert not backend._sessions
        with pytest.raises(BackendError):
            await backend.open(OWN_TERMS, CLIENT_HEADERS, within())


async def test_a_token_of_such_a_session_resumes_nothing():
    old = OldServer()
    async with opened(old) as (backend, session):
        assert session.token == b""
        assert backend.resume(msgspec.json.encode({})) is None
        assert "canary" not in repr(session)
        assert "session_id" not in repr(session)
