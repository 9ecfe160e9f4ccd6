"""What becomes a message and what does not."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.serve.harness import CLUSTER, World, call, message
from vmcp_proxy.protocol.jsonrpc import Request, encode_result

LIMIT = CLUSTER.max_body


def call_with(arguments: str) -> bytes:
    text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":%s}}'
    return (text % arguments).encode()


@pytest.mark.scenario("C-4")
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, -32700),
        (b"", 400, -32700),
        (b"\xff\xfe", 400, -32700),
        (call_with('{"x":NaN}'), 400, -32700),
        (call_with(r'{"x":"\ud8"}'), 400, -32700),
        (call_with('{"x":"\xff"}').replace("\xff".encode(), b"\xff"), 400, -32700),
        (call_with("[" * 100_000), 413, -32600),
        (call_with("[" * 30_000 + "]" * 30_000), 400, -32700),
        (b"[]", 400, -32600),
        (b"7", 400, -32600),
        (b"null", 400, -32600),
        (b'{"id":1,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', 400, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":7}', 400, -32600),
    ],
    ids=range(17),
)
async def test_what_is_no_message_gets_one_defined_refusal(world, body, status, code):
    async with world.serving():
        answer = await world.post(body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["jsonrpc"] == "2.0"


@pytest.mark.scenario("C-4")
@pytest.mark.parametrize(
    "body",
    [
        call_with('{"x":9223372036854775808,"y":-1e400,"z":0.1e-7}'),
        call_with('{"x":1,"x":2}'),
        call_with("[" * 200 + "]" * 200),
        b'{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}',
        b' \n{"jsonrpc":"2.0","id":"a","method":"ping","unknown":null} \n',
    ],
    ids=["2^63", "duplicate keys", "deep", "big id", "unknown member"],
)
async def test_unusual_json_reaches_the_dispatch_byte_for_byte(world, body):
    seen = []

    async def keep(context):
        seen.append((context.body, context.message))
        await context.respond(200, encode_result(context.message.id, b"{}"))

    world.dispatch = keep
    async with world.serving():
        answer = await world.post(body)
    assert answer.status_code == 200
    assert seen[0][0] == body
    assert isinstance(seen[0][1], Request)
    if seen[0][1].params is not None:
        assert bytes(seen[0][1].params) in body


@pytest.mark.scenario("C-4")
async def test_a_refusal_carries_the_id_where_one_could_be_read(world):
    async with world.serving():
        answer = await world.post(b'{"jsonrpc":"2.0","id":"q","method":"ping","params":7}')
    assert answer.json()["id"] == "q"


@pytest.mark.scenario("C-4")
async def test_a_chunked_body_is_bounded_too_and_the_connection_lives_on(world):
    async def chunks(size):
        text = call(text="x" * size)
        for start in range(0, len(text), 4096):
            yield text[start : start + 4096]

    async with world.serving():
        assert (await world.post(chunks(LIMIT * 2))).status_code == 413
        assert (await world.post(chunks(LIMIT // 2))).status_code == 200
    assert world.scrape()['vmcp_http_rejected_total{layer="mcp_parsing",status="413"}'] == 1


@pytest.mark.scenario("C-4")
async def test_a_body_of_exactly_the_limit_is_fine_and_one_byte_more_is_not(world):
    padding = LIMIT - len(call(text=""))
    async with world.serving():
        assert (await world.post(call(text="x" * padding))).status_code == 200
        assert (await world.post(call(text="x" * (padding + 1)))).status_code == 413


async def test_notifications_and_replies_of_the_client_reach_the_dispatch(world):
    methods = []

    async def note(context):
        methods.append(context.rpc_method)
        await context.respond(202)

    world.dispatch = note
    async with world.serving():
        assert (await world.post(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')).content == b""
        await world.post(b'{"jsonrpc":"2.0","id":1,"result":{}}')
        await world.client.delete("/mcp")
    assert methods == ["notifications/initialized", "response", "DELETE"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.scenario("X-1")
@settings(max_examples=8)
@given(
    bodies=st.lists(
        st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode()), min_size=20, max_size=60
    )
)
def test_no_body_breaks_the_endpoint(bodies):
    async def post_all():
        world = World()
        async with world.serving():
            for body in bodies:
                answer = await world.post(body)
                assert answer.status_code in (200, 202, 400), body
            assert (await world.post(message("ping"))).status_code == 200
        assert world.log_lines == []

    asyncio.run(post_all())
