"""The end of a `vmcp serve` process by SIGTERM: not ready, no new work, the old work done, exit code 0."""

import asyncio
import contextlib
import signal
import time

import httpx2
import pytest

from tests.proxy.cli.commands import endpoint, serving, write
from tests.support.plain_http import http_client
from tests.support.raw_client import ACCEPT, RawClient, eventually
from tests.support.scripted_backend import ScriptedBackend, text
from vmcp_proxy.cli.exits import Exit

pytestmark = pytest.mark.scenario("S-10")


def entry(name, port):
    return {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPServerEntry",
        "metadata": {"name": name},
        "spec": {
            "remoteUrl": f"http://127.0.0.1:{port}/mcp",
            "transport": "streamable-http",
            "groupRef": {"name": "g"},
        },
    }


@contextlib.asynccontextmanager
async def one_held_call(tmp_path, *arguments, **timeouts):
    """A process with a call in flight; the backend answers it when the event is set."""
    backend = ScriptedBackend()
    hold = asyncio.Event()

    @backend.on("tools/call")
    async def wait(call):
        await hold.wait()
        return text("whole")

    config = {
        "operational": {"timeouts": {"list": "10s", **timeouts}, "failureHandling": {"healthCheckInterval": "1h"}}
    }
    async with backend.running():
        file = write(tmp_path / "v.yaml", *endpoint(config=config), entry("one", backend.port))
        async with serving("-f", file, *arguments) as served, RawClient(await served.url()) as client:
            await client.open()
            message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "one_echo"}}
            async with client.sending(message) as calling:
                await eventually(lambda: backend.calls("tools/call"))
                yield served, backend, client, calling, hold


async def readiness(http, served):
    return await http.get((await served.status_url()).replace("/status", "/readyz"))


def tells_of_the_end(answer):
    """Whether it is the error of a call that is cut; its status is 200, for the session is not to blame (ADR-0050)."""
    return answer.status_code == 200 and "shutting down" in answer.json()["error"]["message"]


async def until_refused(http, served, url):
    """Waits until the endpoint takes no connection any more; it never does so while the process says it is ready."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection(url.host, url.port)
            except ConnectionError:
                answer = await readiness(http, served)
                assert answer.status_code == 503
                assert answer.json() == {"ready": False, "reasons": ["shutting down"]}
                return
            writer.close()
            await writer.wait_closed()


async def test_a_call_in_flight_is_answered_whole_while_new_ones_are_refused_and_the_process_ends_well(tmp_path):
    async with one_held_call(tmp_path, drain="20s") as (served, backend, client, calling, hold):
        url = httpx2.URL(await served.url())
        async with http_client(timeout=10) as http, client.listening() as stream:
            await eventually(lambda: stream.comments)
            assert (await readiness(http, served)).status_code == 200
            served.process.terminate()
            await until_refused(http, served, url)
            # The stream is told to come back elsewhere; it holds nothing up.
            await eventually(lambda: stream.ended)
            assert stream.retries
            async with RawClient(str(url)) as late:
                late.session = client.session
                with pytest.raises(httpx2.ConnectError):
                    await late.names()
            assert (await http.get(await served.status_url())).status_code == 200
            assert not calling.done()
            assert served.process.returncode is None
            hold.set()
            answer = await calling
        assert answer.status_code == 200
        assert client.read(answer)["result"]["content"][0]["text"] == "whole"
        async with asyncio.timeout(30):
            assert await served.process.wait() == Exit.OK
        # Backends hear that their sessions are over.
        used = backend.calls("tools/call")[0].session
        assert used in {each.session for each in backend.deletes}
    assert len(backend.calls("tools/call")) == 1
    assert "Traceback" not in "\n".join(served.lines)


async def test_a_call_that_outlasts_the_drain_is_cut_and_the_process_ends_well_all_the_same(tmp_path):
    async with one_held_call(tmp_path, drain="300ms") as (served, _, _, calling, _):
        began = time.monotonic()
        served.process.terminate()
        answer = await calling
        assert tells_of_the_end(answer)
        assert "whole" not in answer.text
        async with asyncio.timeout(30):
            assert await served.process.wait() == Exit.OK
        assert 0.3 <= time.monotonic() - began < 10
    assert "Traceback" not in "\n".join(served.lines)


async def test_a_second_signal_does_not_wait_for_the_call(tmp_path):
    async with one_held_call(tmp_path, drain="1h") as (served, _, _, calling, _):
        url = httpx2.URL(await served.url())
        async with http_client(timeout=10) as http:
            served.process.terminate()
            await until_refused(http, served, url)
            assert not calling.done()
            served.process.terminate()
            assert tells_of_the_end(await calling)
            async with asyncio.timeout(30):
                assert await served.process.wait() == Exit.OK


async def until_leaving(http, served):
    """Waits until the process says that it is not ready."""
    async with asyncio.timeout(30):
        while (await readiness(http, served)).status_code != 503:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


async def ping(reader, writer, session):
    """The answer on a connection that no client replaces when it is closed."""
    body = b'{"jsonrpc":"2.0","id":9,"method":"ping"}'
    head = (
        f"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: {ACCEPT}\r\ncontent-type: application/json\r\n"
        f"mcp-session-id: {session}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    async with asyncio.timeout(30):
        answer = await reader.readuntil(b"\r\n\r\n")
        return answer + await reader.readuntil(b"}}")


@contextlib.asynccontextmanager
async def kept_connection(url, session):
    """A connection that has served a request already."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        assert (await ping(reader, writer, session)).startswith(b"HTTP/1.1 200 ")
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_during_the_shutdown_delay_everything_is_served_and_a_second_signal_ends_all_of_it(tmp_path):
    async with one_held_call(tmp_path, "--shutdown-delay", "60", drain="1h") as (served, _, client, calling, _):
        url = httpx2.URL(await served.url())
        async with (
            http_client(timeout=10) as http,
            kept_connection(url, client.session) as kept,
            client.listening() as stream,
        ):
            served.process.terminate()
            await until_leaving(http, served)
            assert (await readiness(http, served)).json() == {"ready": False, "reasons": ["shutting down"]}
            assert (await ping(*kept, client.session)).startswith(b"HTTP/1.1 200 ")
            async with RawClient(str(url)) as late:
                await late.open()
                assert await late.names() == await client.names() != []
                async with late.listening() as new:
                    await eventually(lambda: new.comments)
                    assert not any((stream.ended, new.ended, calling.done()))
                    served.process.send_signal(signal.SIGINT)
                    await eventually(lambda: stream.ended and new.ended)
            assert tells_of_the_end(await calling)
            async with asyncio.timeout(30):
                assert await served.process.wait() == Exit.OK
    assert "Traceback" not in "\n".join(served.lines)


async def test_after_the_shutdown_delay_streams_go_elsewhere_and_the_port_is_closed_and_a_call_ends_well(tmp_path):
    async with one_held_call(tmp_path, "--shutdown-delay", "1", drain="20s") as (served, _, client, calling, hold):
        url = httpx2.URL(await served.url())
        async with (
            http_client(timeout=10) as http,
            kept_connection(url, client.session) as (reader, _),
            client.listening() as stream,
        ):
            began = time.monotonic()
            served.process.terminate()
            await until_refused(http, served, url)
            assert time.monotonic() - began >= 1
            await eventually(lambda: stream.ended)
            assert stream.retries
            assert await reader.read() == b""
            assert not calling.done()
            hold.set()
            assert (await calling).status_code == 200
            async with asyncio.timeout(30):
                assert await served.process.wait() == Exit.OK
    assert "Traceback" not in "\n".join(served.lines)
