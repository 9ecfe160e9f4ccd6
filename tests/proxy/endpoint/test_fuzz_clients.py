"""Raw sockets with bytes that no client should send: a defined refusal each time, and the next one is served."""

import json
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.proxy.endpoint.helpers import QUIET, everything
from tests.support.examples import examples
from tests.support.mutation import HTTP_PIECES, JSON_PIECES, json_values, mutated
from tests.support.standing import CANARY, Standing, standing

pytestmark = [pytest.mark.scenario("X-1"), pytest.mark.hypothesis]

FUZZ = settings(max_examples=examples(200), suppress_health_check=list(HealthCheck))
REFUSALS = {400, 403, 404, 405, 406, 413, 415, 421, 431, 501, 505}
SERVED = {200, 202, 204}
METHODS = [
    "initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/read", "resources/templates/list",
    "prompts/list", "prompts/get", "completion/complete", "logging/setLevel", "notifications/cancelled",
    "notifications/initialized", "resources/subscribe", "x", "",
]  # fmt: skip
BODIES = [
    json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    for method, params in (
        ("tools/call", {"name": "one_echo", "arguments": {"x": 1}, "_meta": {"progressToken": 1}}),
        ("tools/list", {"cursor": None}),
        ("resources/read", {"uri": "test://t/1"}),
        ("prompts/get", {"name": "one_ask", "arguments": {}}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "one_ask"}, "argument": {}}),
        ("logging/setLevel", {"level": "info"}),
    )
]
BODIES.append(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}')


@pytest.fixture(scope="module")
def proxy():
    with standing(everything(), config=QUIET) as it:
        yield it


def post(body: bytes, session: bytes, *more: bytes) -> bytes:
    """One whole request after which the proxy closes the connection."""
    fields = (
        b"POST /mcp HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Accept: application/json, text/event-stream",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        b"Connection: close",
        *((b"Mcp-Session-Id: " + session,) if session else ()),
        *more,
    )
    return b"\r\n".join((*fields, b"", body))


def statuses_of(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def check(proxy: Standing, answer: bytes, *, allowed: set[int]) -> int:
    """Exactly one answer with a status that is allowed and no secret in it; the proxy goes on."""
    (status,) = statuses_of(answer)
    assert status in allowed, answer[:300]
    assert CANARY.encode() not in answer
    assert b"Traceback" not in answer
    if status in REFUSALS - {431} and b"application/json" in answer:
        assert "error" in json.loads(body_of(answer))
    proxy.run(proxy.check())
    return status


def test_any_body_with_a_session_is_answered_or_refused(proxy):
    seen = set()

    @FUZZ
    @example(BODIES[1])
    @example(BODIES[-1])
    @example(b"{")
    @given(mutated(BODIES) | st.binary(max_size=300))
    def send(body):
        answer = proxy.run(proxy.exchange(post(body, proxy.client.session.encode(), b"X-Api-Key: " + CANARY.encode())))
        seen.add(check(proxy, answer, allowed={200, 202, 400}))

    send()
    assert seen == {200, 202, 400}


def test_any_params_of_any_method_are_answered_with_a_result_or_an_error(proxy):
    @FUZZ
    @given(st.sampled_from(METHODS), json_values, json_values, st.booleans())
    def send(method, params, inner, is_request):
        message = {"jsonrpc": "2.0", "method": method, "params": {"name": params, "arguments": inner, "uri": params}}
        message["params"] |= {"cursor": inner, "ref": inner, "level": params, "_meta": inner, "requestId": params}
        if not isinstance(inner, str):
            message["params"] = inner
        if is_request:
            message["id"] = 1
        body = json.dumps(message).encode()
        answer = proxy.run(proxy.exchange(post(body, proxy.client.session.encode())))
        if check(proxy, answer, allowed={200, 202, 400}) == 200 and b"text/event-stream" not in answer:
            said = json.loads(body_of(answer))
            assert ("result" in said) != ("error" in said)

    send()


@pytest.mark.parametrize("kind", ["tools", "resources", "resources/templates", "prompts"])
def test_any_cursor_is_a_page_or_invalid_params(proxy, kind):
    @settings(FUZZ, max_examples=examples(80))
    @given(st.text(max_size=60) | mutated([b"MXRvbmVfZWNobw"], (b"=", b"-", b"/", b"Cg")).map(bytes.hex) | json_values)
    def send(cursor):
        message = {"jsonrpc": "2.0", "id": 1, "method": f"{kind}/list", "params": {"cursor": cursor}}
        answer = proxy.run(proxy.exchange(post(json.dumps(message).encode(), proxy.client.session.encode())))
        status = check(proxy, answer, allowed={200})
        said = json.loads(body_of(answer))
        assert status == 200
        assert cursor is None or said["error"]["code"] == -32602

    send()


def test_any_session_id_but_the_right_one_is_unknown_on_every_verb(proxy):
    minted = proxy.client.session.encode()
    line = re.compile(rb"[\r\n]+")

    @FUZZ
    @given(
        mutated([minted], (b"\0", b"\xff", b".", b"=", b"v1", b"a" * 3000, b" ", b"\t", b",")),
        st.sampled_from([b"POST", b"GET", b"DELETE"]),
    )
    def send(session, verb):
        session = line.sub(b"", session)
        if session.strip(b" \t") == minted:
            return
        request = post(BODIES[1], session)
        if verb != b"POST":
            request = verb + b" /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nConnection: close\r\n"
            request += b"Mcp-Session-Id: " + session + b"\r\n\r\n"
        check(proxy, proxy.run(proxy.exchange(request)), allowed={400, 404})

    send()


def test_any_last_event_id_opens_the_stream_and_closes_with_it(proxy):
    @settings(FUZZ, max_examples=examples(100))
    @given(mutated([b"", b"1", b"one/7"], (b"\0", b"\xff", b"-1", b"9" * 3000, b"../")).map(lambda v: v.strip()))
    def send(event):
        # The answer is a stream; that we close our side ends it.
        answer = proxy.run(proxy.exchange(
            b"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
            b"Mcp-Session-Id: " + proxy.client.session.encode() + b"\r\n"
            b"Last-Event-ID: " + event.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n\r\n"
        ))  # fmt: skip
        assert statuses_of(answer) in ([], [200], [400])
        assert CANARY.encode() not in answer
        proxy.run(proxy.check())

    send()


CHUNKED = b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\nx-trailer: 1\r\n\r\n'
REQUESTS = [
    post(BODIES[0], b"v1.0.x"),
    b"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n",
    b"DELETE /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"OPTIONS /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://localhost:1\r\nConnection: close\r\n\r\n",
    b"GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n" + CHUNKED,
]  # fmt: skip


def test_any_bytes_as_http_are_refused_or_served_and_cost_nobody_else(proxy):
    seen = set()

    @settings(FUZZ, max_examples=examples(400))
    @given(mutated(REQUESTS, (*HTTP_PIECES, *JSON_PIECES), most=5) | st.binary(max_size=200))
    def send(request):
        # Without a Connection: close left in it, our half close ends it, whether or not it was whole.
        request = request.replace(b"onnection: close", b"onnection: Keep-Alive")
        answer = proxy.run(proxy.exchange(request))
        statuses = statuses_of(answer)
        seen.update(statuses)
        assert answer == b"" or statuses, answer[:100]
        assert set(statuses) <= SERVED | REFUSALS | {100}, (statuses, request)
        assert CANARY.encode() not in answer
        proxy.run(proxy.check())

    send()
    assert 400 in seen


@pytest.mark.parametrize(
    "path",
    [
        b"/mcp\xff", b"/\xc3\xa9", b"/%ff%fe", b"/mcp/../status", b"/mcp/%2e%2e/metrics", b"//mcp", b"/mcp?x=\xff",
        b"*", b"http://evil.example/mcp", b"/mcp#x", b"/" + b"a" * 60_000, b"/mcp%00", b"/readyz",
        b"/%2e%2e/%2e%2e/etc/passwd",
    ],
)  # fmt: skip
def test_an_odd_path_leads_nowhere(proxy, path):
    request = b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    check(proxy, proxy.run(proxy.exchange(request)), allowed={400, 404, 406, 421})


def test_requests_on_one_connection_are_answered_in_order_whatever_stands_between(proxy):
    session = proxy.client.session.encode()
    good = post(BODIES[1], session).replace(b"Connection: close\r\n", b"")

    @settings(FUZZ, max_examples=examples(60))
    @given(st.lists(mutated(BODIES), max_size=5))
    def send(bodies):
        between = [post(body, session).replace(b"Connection: close\r\n", b"") for body in bodies]
        whole = b"".join((good, *between, post(BODIES[1], session)))
        answer = proxy.run(proxy.exchange(whole))
        statuses = statuses_of(answer)
        assert len(statuses) == len(bodies) + 2
        assert set(statuses) <= {200, 202, 400}
        assert (statuses[0], statuses[-1]) == (200, 200)
        assert CANARY.encode() not in answer
        proxy.run(proxy.check())

    send()
