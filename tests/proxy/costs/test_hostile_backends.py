"""A pod at its default limit in front of backends that send without end or elsewhere; others are served meanwhile."""

import asyncio
import gzip

import pytest

from tests.proxy.costs.attacks import POD_MIB, pod
from tests.support.raw_client import RawClient
from tests.support.scripted_backend import ScriptedBackend, Status, text

MIB = 1 << 20
PIECE = b"z" * 65536

pytestmark = pytest.mark.timeout(240)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%b\r\n"
JSON, EVENTS = b"application/json", b"text/event-stream"


async def pour(call, head, piece, most):
    """Writes the same again and again until the proxy hangs up."""
    await call.write(head)
    for _ in range(most // len(piece)):
        await call.write(piece)
    await asyncio.Event().wait()


async def large_answer(call):
    await pour(call, HEAD % (JSON, b"") + b'{"jsonrpc":"2.0","id":1,"result":{"x":"', PIECE, 200 * MIB)


async def endless_line(call):
    await pour(call, HEAD % (EVENTS, b"") + b"data: ", PIECE, 200 * MIB)


async def endless_head(call):
    await pour(call, b"HTTP/1.1 200 OK\r\n", b"x-a: " + PIECE[:200] + b"\r\n", 200 * MIB)


async def tiny_chunks(call):
    # Up to the bound on a body they take more than a pod may hold, were each kept as it came.
    head = HEAD % (JSON, b"transfer-encoding: chunked\r\n")
    await pour(call, head, b"4\r\n    \r\n" * 10_000, 200 * MIB)


async def bomb(call):
    # Of members of its own (RFC 1952 section 2.2), which are cheaper to make than one of all.
    body = gzip.compress(b" " * (8 * MIB)) * 32
    fields = b"content-encoding: gzip\r\ncontent-length: %d\r\n" % len(body)
    await call.write(HEAD % (JSON, fields) + body)
    await asyncio.Event().wait()


async def no_text(call):
    body = b'{"jsonrpc":"2.0","id":%d,"result":{"x":"\xff\xfe"}}' % call.heard.message["id"]
    await call.write(HEAD % (JSON, b"content-length: %d\r\n" % len(body)) + body)
    await asyncio.Event().wait()


async def other_ids(call):
    event = b'data: {"jsonrpc":"2.0","id":424242,"result":{}}\n\n'
    await pour(call, HEAD % (EVENTS, b""), event * 1000, 200 * MIB)


ATTACKS = (large_answer, endless_line, endless_head, tiny_chunks, bomb, no_text, other_ids)


@pytest.mark.scenario("B-4")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_answers_without_end_are_errors_that_name_the_backend_and_the_process_lives(tmp_path, attack):
    hostile, honest = ScriptedBackend(), ScriptedBackend()
    hostile.handlers["tools/call"] = attack
    async with hostile.running(), honest.running():
        servers = {
            name: {"type": "http", "url": f"http://127.0.0.1:{each.port}/mcp"}
            for name, each in (("hostile", hostile), ("honest", honest))
        }
        async with pod(tmp_path, "--call-timeout", "6s", servers=servers) as target:
            async with RawClient(target.url) as client, RawClient(target.url) as other:
                client._http.timeout = other._http.timeout = 60.0
                await client.open()
                await other.open()

                async def attacked():
                    result = await client.call("hostile_echo")
                    assert result["isError"]
                    assert result["_meta"]["vmcp.dev/backend"] == "hostile"

                async with asyncio.TaskGroup() as group:
                    running = group.create_task(attacked())
                    while not running.done():
                        assert await other.call("honest_echo") == text("called echo")
                        await asyncio.wait((running,), timeout=0.1)
                await client.delete()
                await other.delete()
            assert target.peak_mib < POD_MIB


@pytest.mark.scenario("B-5")
async def test_a_redirect_to_another_origin_is_refused_and_no_credential_is_sent_there(tmp_path):
    elsewhere, first = ScriptedBackend(), ScriptedBackend()
    async with elsewhere.running(), first.running():

        @first.on("tools/call")
        async def _away(_call):
            raise Status(307, {"location": f"http://127.0.0.1:{elsewhere.port}/mcp"})

        entry = {"type": "http", "url": f"http://127.0.0.1:{first.port}/mcp", "headers": {"X-Api-Key": "canary-key"}}
        async with pod(tmp_path, servers={"one": entry}) as target, RawClient(target.url) as client:
            await client.open()
            result = await client.call("one_echo")
            assert result["isError"]
            assert first.calls("tools/call")[0].headers["x-api-key"] == "canary-key"
            assert not elsewhere.heard
            log = (tmp_path / "vmcp.log").read_text()
            assert "canary-key" not in log
