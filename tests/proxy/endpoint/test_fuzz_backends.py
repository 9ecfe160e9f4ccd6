"""Backends that answer with anything at all: the client gets one answer to its call, and the next call works."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.proxy.endpoint.helpers import everything
from tests.support.examples import examples
from tests.support.mutation import HTTP_PIECES, json_values, mutated
from tests.support.raw_client import events_of
from tests.support.scene import operational
from tests.support.scripted_backend import Die
from tests.support.standing import CANARY, standing

pytestmark = [pytest.mark.scenario("X-1"), pytest.mark.hypothesis]

CONFIG = operational(timeouts={"default": "2s", "list": "2s"}, failureHandling={"healthCheckInterval": "1h"})
FUZZ = settings(max_examples=examples(120), suppress_health_check=list(HealthCheck))
ID = b"@ID@"
ANSWERS = [
    b'{"jsonrpc":"2.0","id":@ID@,"result":{"content":[{"type":"text","text":"t"}],"isError":false,"_meta":{"a":1}}}',
    b'{"jsonrpc":"2.0","id":@ID@,"error":{"code":-32000,"message":"session","data":[1]}}',
    b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"session"}}',
]
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: @LENGTH@\r\n\r\n"
SAYINGS = [
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":@ID@,"progress":1}}',
    b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"d","logger":"l"}}',
    b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
    b'{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://a"}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":@ID@}}',
    b'{"jsonrpc":"2.0","id":"q","method":"ping"}',
    b'{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}',
    b'{"jsonrpc":"2.0","id":"@ID@","result":{}}',
    b'{"jsonrpc":"2.0","id":99999,"result":{}}',
]
METHODS = [
    "notifications/progress", "notifications/message", "notifications/tools/list_changed", "notifications/cancelled",
    "notifications/resources/updated", "notifications/x", "ping", "sampling/createMessage", "elicitation/create",
    "roots/list", "x", "",
]  # fmt: skip
MARK = b'{"jsonrpc":"2.0","method":"notifications/x-mark"}'


def members(*names: str) -> st.SearchStrategy[dict[str, object]]:
    """Objects with some of these members, of any value."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, json_values))


shaped = st.builds(
    lambda method, params, more: json.dumps({"jsonrpc": "2.0", "method": method, "params": params} | more).encode(),
    st.sampled_from(METHODS),
    members("progressToken", "progress", "level", "logger", "data", "uri", "requestId", "messages", "_meta")
    | st.lists(json_values, max_size=2),
    members("id"),
)
"""What a backend may say that has the form of a message and any content."""

sayings = mutated(SAYINGS) | shaped


@pytest.fixture(scope="module")
def proxy():
    with standing(everything(), config=CONFIG) as it:
        yield it


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A whole response, its head and its framing right or nearly so; the connection ends after it."""
    status = draw(
        st.sampled_from([200] * 8 + [100, 101, 202, 204, 206, 301, 307, 400, 401, 403, 404, 405, 429, 500, 503])
    )
    kind = draw(st.sampled_from([b"application/json", b"text/event-stream", b"text/html", b"", b"application/json;x"]))
    body = draw(mutated(ANSWERS) | st.binary(max_size=60))
    if kind == b"text/event-stream":
        body = b"\n\n".join(b"data: " + each for each in draw(st.lists(mutated(SAYINGS + ANSWERS), max_size=4)))
        body += draw(st.sampled_from([b"", b"\n\n", b"\r\n\r\n"]))
    fields = [b"HTTP/1.1 %d X" % status, b"Content-Type: " + kind]
    match draw(st.sampled_from(["length", "length", "wrong", "chunked", "none"])):
        case "length":
            fields.append(b"Content-Length: @LENGTH@")
        case "wrong":
            fields.append(
                b"Content-Length: " + draw(st.sampled_from([b"0", b"3", b"99999999999", b"-1", b"1, 2", b"x"]))
            )
        case "chunked":
            fields.append(b"Transfer-Encoding: chunked")
            body = b"@CHUNK@\r\n" + body + b"\r\n0\r\n\r\n"
    if draw(st.booleans()):
        fields.append(draw(mutated([b"Location: http://127.0.0.1/x", b"Mcp-Session-Id: x"], HTTP_PIECES, most=2)))
    return b"\r\n".join((*fields, b"", body))


def filled(raw: bytes, request_id: object) -> bytes:
    """The response with the id of the request, and with lengths that fit."""
    head, _, body = raw.replace(ID, str(request_id).encode()).partition(b"\r\n\r\n")
    chunk = len(body) - len(b"@CHUNK@\r\n\r\n0\r\n\r\n")
    head = head.replace(b"@LENGTH@", b"%d" % len(body))
    return head + b"\r\n\r\n" + body.replace(b"@CHUNK@", b"%x" % max(chunk, 0))


def tell(proxy, method, raw, *, keep=()):
    """Lets the backend answer a method with these bytes and hang up."""

    async def answer(call):
        proxy.backend.sessions.update(keep)
        await call.write(filled(raw, call.heard.message.get("id", 0)))
        raise Die

    proxy.backend.handlers[method] = answer


def answered(proxy, method, params, request_id="ours"):
    """The one message with our id in the answer to a request."""
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    answer = proxy.run(proxy.client.post(message))
    assert answer.status_code == 200, answer.text
    assert "127.0.0.1" not in answer.text
    assert CANARY not in answer.text
    is_json = answer.headers["content-type"] == "application/json"
    *_, last = [answer.json()] if is_json else events_of(answer.content)
    assert last["jsonrpc"] == "2.0"
    assert last["id"] == request_id
    assert ("result" in last) != ("error" in last)
    return last


def restored(proxy):
    """The backend behaves again, and all is well."""
    proxy.backend.handlers.clear()
    proxy.run(proxy.check())


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "one_echo", "_meta": {"progressToken": 1}}),
        ("resources/read", {"uri": "test://a"}),
        ("prompts/get", {"name": "one_ask"}),
    ],
)
def test_any_response_to_a_call_is_one_answer_to_the_client(proxy, method, params):
    failed = set()

    @settings(FUZZ, max_examples=examples(100))
    @example(WHOLE + ANSWERS[0])
    @example(WHOLE + ANSWERS[1])
    @given(responses())
    def call(raw):
        tell(proxy, method, raw)
        last = answered(proxy, method, params)
        failed.add("error" in last or last["result"].get("isError", False))
        restored(proxy)

    call()
    assert failed == {True, False}


def test_any_bytes_instead_of_a_response_are_one_answer_to_the_client(proxy):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n"

    @FUZZ
    @given(mutated([head + b"{}", head, b""], HTTP_PIECES, most=5) | st.binary(max_size=100))
    def call(raw):
        tell(proxy, "tools/call", raw)
        assert answered(proxy, "tools/call", {"name": "one_echo"})["result"]["isError"]
        restored(proxy)

    call()


def test_nothing_that_is_said_before_an_answer_costs_the_answer(proxy):
    @FUZZ
    @given(st.lists(sayings | mutated(ANSWERS[2:]), max_size=5), st.integers(0, 9))
    def call(said, chunk):
        async def say_all(call):
            for each in said:
                line = each.replace(ID, str(call.heard.message["id"]).encode())
                # One that looks like the answer is the answer.
                if b'"method"' in line:
                    await call.say(line.replace(b"\n", b" ").replace(b"\r", b" "))
            return {"content": [{"type": "text", "text": "whole"}]}

        proxy.backend.chunk = chunk
        proxy.backend.handlers["tools/call"] = say_all
        result = answered(proxy, "tools/call", {"name": "one_echo", "_meta": {"progressToken": "p"}})["result"]
        assert result["content"][0]["text"] == "whole"
        proxy.backend.chunk = 0
        restored(proxy)

    call()


@pytest.mark.parametrize(
    ("method", "member"), [("tools/list", "tools"), ("resources/list", "resources"), ("prompts/list", "prompts")]
)
def test_any_listing_costs_its_own_entries_only(proxy, method, member):
    entries = st.fixed_dictionaries(
        {}, optional={"name": json_values, "uri": json_values, "inputSchema": json_values, "x": json_values}
    )
    pages = st.fixed_dictionaries({member: st.lists(entries | json_values, max_size=4) | json_values}) | json_values

    @settings(FUZZ, max_examples=examples(50))
    @given(pages, st.sampled_from(["", "2", None, 5, {}, "\x00", "c" * 3000]))
    def list_all(page, cursor):
        async def answer(call):
            return page | {"nextCursor": cursor} if isinstance(page, dict) and not call.params.get("cursor") else page

        proxy.backend.handlers[method] = answer
        outdate(proxy)
        listed = answered(proxy, method, {})["result"][member]
        routed_by = "uri" if member == "resources" else "name"
        assert all(isinstance(each[routed_by], str) for each in listed)
        proxy.backend.handlers.clear()
        outdate(proxy)
        assert "one_echo" in proxy.run(proxy.client.names())
        restored(proxy)

    list_all()


def outdate(proxy):
    """Makes the next list ask the backend, whatever the last one brought."""
    proxy.scene.inside.outdate_lists()


HELLO_RESULT = b'{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"logging":null},"instructions":"i"}'
HELLO = b'{"jsonrpc":"2.0","id":@ID@,"result":' + HELLO_RESULT + b"}"
hellos = members("protocolVersion", "capabilities", "serverInfo", "instructions").map(
    lambda odd: HELLO.replace(HELLO_RESULT, json.dumps(json.loads(HELLO_RESULT) | odd).encode())
)
TOKENS = (
    b"\t",
    b" ",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\x01",
    b"\r\n",
    b"\n",
    b"\0",
    b",",
    b"a" * 9000,
    b"../",
    b"\r\nX-A: b",
)


def test_any_handshake_of_a_backend_opens_a_session_or_is_one_error(proxy):
    opened = set()

    @settings(FUZZ, max_examples=examples(80))
    @example(HELLO, b"token-1")
    @example(b"", b"token-1")
    @given(mutated([HELLO]) | hellos, mutated([b"token-1"], TOKENS, most=3))
    def open_and_call(hello, token):
        field = b"Mcp-Session-Id: " + token + b"\r\n" if token else b""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: @LENGTH@\r\nConnection: close\r\n"
        tell(proxy, "initialize", head + field + b"\r\n" + hello, keep=(token.decode("latin-1").strip(), ""))

        async def call():
            async with proxy.scene.session() as other:
                result = await other.call("one_echo")
                assert "127.0.0.1" not in str(result)
                opened.add("isError" not in result)
                assert await other.delete() == 204

        proxy.run(call())
        proxy.backend.sessions.discard("")
        restored(proxy)

    open_and_call()
    assert opened == {True, False}


def test_whatever_stands_on_a_stream_the_next_message_still_arrives(proxy):
    async def hear(said):
        async with proxy.client.listening() as stream:
            (session,) = {each.session for each in proxy.backend.calls("tools/call")[-1:]}
            async with asyncio.timeout(30):
                while session not in proxy.backend.streams:  # noqa: ASYNC110 - nobody announces it
                    await asyncio.sleep(0.002)
            (queue,) = [queue for owner, queue in proxy.backend._streams if owner == session]
            for each in (*said, MARK):
                queue.put_nowait(b"data: " + each.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n\n")
            await stream.until("notifications/x-mark")
            assert all(message["jsonrpc"] == "2.0" for message in stream.messages)

    @settings(FUZZ, max_examples=examples(50))
    @given(st.lists(sayings, max_size=4))
    def say(said):
        restored(proxy)
        proxy.run(hear([json.dumps({}).encode(), *said]))

    say()
    restored(proxy)
