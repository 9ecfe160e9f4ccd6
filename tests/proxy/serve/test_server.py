"""Two listeners in one process: start, refuse, drain, end."""

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tests.proxy.serve.harness import POST_HEADERS, NothingToExplain, World, answer_empty, call, eventually, exchange
from tests.support.plain_http import http_client
from vmcp_proxy.serve.apps.admin import Readiness, build_admin_app
from vmcp_proxy.serve.apps.mcp import build_mcp_app
from vmcp_proxy.serve.chain.chain import build_chain
from vmcp_proxy.serve.chain.header_rules import HostRule
from vmcp_proxy.serve.chain.stream_timeout import InFlight
from vmcp_proxy.serve.http import limits
from vmcp_proxy.serve.http.limits import MAX_HEAD_BYTES
from vmcp_proxy.serve.http.listener import Listener, ListenerServer, PortInUseError, StartError
from vmcp_proxy.serve.servers import Servers


class Pod:
    """Both ports of a proxy with a dispatch that tells when a call arrived and waits until it may answer."""

    def __init__(self, drain=5.0, delay=0.0):
        self.world = World(dispatch=self.hold)
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.leaving = False
        self.draining = asyncio.Event()
        self.delay = delay
        chain = build_chain(self.world.settings, self.hold, self.world.services)
        self.servers = Servers(
            Listener(build_mcp_app(chain, chain)),
            Listener(build_admin_app(self, self.world.metrics, NothingToExplain(), HostRule())),
            drain=drain,
            drained=self.world.in_flight.drained,
            cut=self.world.in_flight.cut_all,
        )

    def readiness(self):
        return Readiness(ready=not self.leaving)

    def status(self):
        return {}

    async def hold(self, context):
        self.arrived.set()
        if context.http_method == "GET":
            await context.start_stream()
        await self.release.wait()
        await (context.finish() if context.http_method == "GET" else answer_empty(context))

    def on_stop(self):
        self.leaving = True

    def serve(self):
        return self.servers.run(
            on_stop=self.on_stop, on_drain=self.draining.set, delay=self.delay, handle_signals=False
        )

    @contextlib.asynccontextmanager
    async def running(self):
        async with (
            asyncio.timeout(20),
            http_client(headers=POST_HEADERS, timeout=10) as self.client,
            asyncio.TaskGroup() as group,
        ):
            self.run = group.create_task(self.serve())
            await self.servers.started.wait()
            yield group
            self.release.set()
            self.servers.stop()

    @property
    def mcp(self):
        return f"http://127.0.0.1:{self.servers.mcp_port}/mcp"

    @property
    def admin(self):
        return f"http://127.0.0.1:{self.servers.admin_port}"


@pytest.mark.scenario("C-6")
async def test_both_ports_are_known_once_started_and_serve_their_own():
    pod = Pod()
    pod.release.set()
    async with pod.running():
        assert pod.servers.mcp_port != pod.servers.admin_port
        assert (await pod.client.post(pod.mcp, content=call())).status_code == 200
        assert (await pod.client.get(f"{pod.admin}/readyz")).status_code == 200
        assert (await pod.client.get(f"http://127.0.0.1:{pod.servers.mcp_port}/readyz")).status_code == 404
        assert (await pod.client.post(f"{pod.admin}/mcp", content=call())).status_code == 404


@pytest.mark.scenario("S-10")
async def test_a_call_in_flight_ends_well_while_readiness_is_off_and_new_ones_are_refused():
    pod = Pod()
    async with pod.running() as group:
        waiting = group.create_task(pod.client.post(pod.mcp, content=call()))
        await pod.arrived.wait()
        pod.servers.stop()
        await pod.draining.wait()
        assert (await pod.client.get(f"{pod.admin}/readyz")).status_code == 503
        await until_refused(pod.servers.mcp_port)
        assert (await pod.client.get(f"{pod.admin}/metrics")).status_code == 200
        assert not waiting.done()
        pod.release.set()
        assert (await waiting).status_code == 200
        await pod.run
    await until_refused(pod.servers.admin_port)


@pytest.mark.scenario("S-10")
async def test_a_call_that_outlasts_the_drain_is_cut_with_503_and_so_is_a_stream():
    pod = Pod(drain=0.3)
    async with pod.running() as group:
        waiting = group.create_task(pod.client.post(pod.mcp, content=call()))
        stream = group.create_task(read_stream(pod))
        await pod.arrived.wait()
        await eventually(lambda: len(pod.world.in_flight) == 2)
        pod.servers.stop()
        assert (await waiting).status_code == 503
        assert await stream == "cut"
        await pod.run


@pytest.mark.scenario("S-10")
async def test_during_the_delay_readiness_is_off_and_new_and_kept_connections_are_served():
    pod = Pod(delay=3600)
    pod.release.set()
    async with pod.running(), connection(pod) as kept, connection(pod) as silent:
        assert await ask(*kept) == 200
        pod.servers.stop()
        await eventually(lambda: pod.leaving)
        assert (await pod.client.get(f"{pod.admin}/readyz")).status_code == 503
        async with connection(pod) as new:
            for each in (kept, silent, new):
                assert await ask(*each) == 200
                assert await each[0].read() == b"", "that was the connection's last answer"
        async with connection(pod) as newer:
            assert await ask(*newer) == 200
        assert not pod.draining.is_set()
        assert not pod.run.done()


@pytest.mark.scenario("S-10")
async def test_after_the_delay_the_port_is_closed_and_what_began_in_it_ends_well():
    pod = Pod(delay=1.0)
    async with pod.running() as group, connection(pod) as kept:
        pod.servers.stop()
        began = asyncio.get_running_loop().time()
        await eventually(lambda: pod.leaving)
        waiting = group.create_task(pod.client.post(pod.mcp, content=call()))
        await pod.arrived.wait()
        assert not pod.draining.is_set()
        await pod.draining.wait()
        assert asyncio.get_running_loop().time() - began >= 1.0
        await until_refused(pod.servers.mcp_port)
        assert await kept[0].read() == b""
        assert not waiting.done()
        pod.release.set()
        assert (await waiting).status_code == 200
        await pod.run


@pytest.mark.scenario("S-10")
@pytest.mark.parametrize("delay", [0, 3600])
async def test_a_second_signal_waits_neither_for_the_delay_nor_for_calls(delay):
    pod = Pod(drain=3600, delay=delay)
    async with pod.running() as group:
        waiting = group.create_task(pod.client.post(pod.mcp, content=call()))
        await pod.arrived.wait()
        pod.servers.stop()
        await eventually(lambda: pod.leaving and pod.draining.is_set() is not bool(delay))
        pod.servers.stop()
        assert (await waiting).status_code == 503
        await pod.run
        assert pod.draining.is_set()
    await until_refused(pod.servers.mcp_port)


@pytest.mark.parametrize("taken", ["mcp", "admin"])
async def test_a_port_in_use_is_an_error_with_a_remedy_and_nothing_is_left_open(taken):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        listeners = {"mcp": Listener(FastAPI()), "admin": Listener(FastAPI())}
        listeners[taken] = Listener(FastAPI(), port=port)
        servers = Servers(**listeners, drain=1, drained=InFlight().drained, cut=list)
        with pytest.raises(PortInUseError) as caught:
            await servers.run(on_stop=list, on_drain=list, handle_signals=False)
    assert (caught.value.host, caught.value.port) == ("127.0.0.1", port)
    assert f"port {port} on 127.0.0.1 is in use" in str(caught.value)


async def test_an_application_that_does_not_start_ends_everything():
    @contextlib.asynccontextmanager
    async def fail(_):
        raise ValueError
        yield

    listeners = (Listener(FastAPI(lifespan=fail)), Listener(FastAPI()))
    servers = Servers(*listeners, drain=1, drained=InFlight().drained, cut=list)
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(10):
            await servers.run(on_stop=list, on_drain=list, handle_signals=False)
    assert caught.group_contains(StartError)


async def test_a_listener_takes_a_socket_that_is_bound_already(world):
    with socket.create_server(("127.0.0.1", 0)) as bound:
        listener = Listener(FastAPI(), fd=bound.detach())
    server = ListenerServer(listener, listener.bind())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group, http_client() as client:
        group.create_task(server.run_until_closed())
        await server.listening.wait()
        assert (await client.get(f"http://127.0.0.1:{server.port}/")).status_code == 404
        server.close_within(0)


def has_ipv6():
    """Whether this machine has the IPv6 loopback address."""
    interfaces = Path("/proc/net/if_inet6")
    return interfaces.exists() and "00000000000000000000000000000001" in interfaces.read_text()


async def test_a_listener_serves_ipv6():
    listener = Listener(FastAPI(), host="::1")
    if not has_ipv6():
        # A machine without IPv6 says so, and that is all there is to see on it.
        with pytest.raises(OSError):
            listener.bind()
        return
    bound = listener.bind()
    server = ListenerServer(listener, bound)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group, http_client() as client:
        group.create_task(server.run_until_closed())
        await server.listening.wait()
        assert (await client.get(f"http://[::1]:{server.port}/")).status_code == 404
        server.close_within(0)


@pytest.mark.scenario("X-1")
async def test_a_head_that_never_ends_is_refused_with_431(world):
    async with world.serving():
        head = b"POST /mcp HTTP/1.1\r\nx-a: " + b"a" * (MAX_HEAD_BYTES + 1024)
        assert (await exchange(world.port, head)).startswith(b"HTTP/1.1 431 ")
        assert (await world.post()).status_code == 200


async def test_a_large_body_does_not_count_as_head(world):
    async with world.serving():
        body = call(text="x" * 60_000)
        for _ in range(3):
            assert (await world.post(body)).status_code == 200


@pytest.mark.scenario("X-1")
@pytest.mark.parametrize("sent", [b"", b"POST /mcp HTTP/1.1\r\nhost: x\r\n"], ids=["silent", "half a head"])
async def test_a_connection_whose_request_never_comes_is_closed(monkeypatch, world, sent):
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.0)
    monkeypatch.setattr("vmcp_proxy.serve.http.listener._REAP_TICKS", 1)
    async with world.serving():
        with contextlib.suppress(ConnectionResetError):
            assert await exchange(world.port, sent) == b""


@pytest.mark.scenario("X-1")
@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"GET /mcp HTTP/1.1\r\nhost: x\r\nx-a: b\x00c\r\n\r\n",
        b"GET http://[/ HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["tls", "no target", "two lengths", "no length", "nul", "bad target"],
)
async def test_what_is_no_http_is_refused_and_the_next_client_is_served(world, sent):
    async with world.serving():
        assert (await exchange(world.port, sent)).startswith(b"HTTP/1.1 400 ")
        assert (await world.post()).status_code == 200
    assert world.log_lines == []


PROGRAM = """
    import asyncio
    from fastapi import FastAPI
    from vmcp_proxy.serve.http.listener import Listener
    from vmcp_proxy.serve.servers import Servers

    def say(word):
        print(word, flush=True)

    async def drained():
        say("drained")

    async def main():
        servers = Servers(Listener(FastAPI()), Listener(FastAPI()), drain=5, drained=drained, cut=list)
        async with asyncio.TaskGroup() as group:
            group.create_task(servers.run(on_stop=lambda: say("leaving"), on_drain=lambda: say("draining")))
            await servers.started.wait()
            say("started")

    asyncio.run(main())
    say("ended")
"""


@pytest.mark.scenario("S-10")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_process_in_order_with_exit_code_0(name):
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(getattr(signal, name))
        rest, _ = process.communicate(timeout=20)
    assert rest.splitlines() == ["leaving", "draining", "drained", "ended"]
    assert process.returncode == 0


@contextlib.asynccontextmanager
async def connection(pod):
    """A connection to the MCP port that no client replaces when it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", pod.servers.mcp_port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ask(reader, writer):
    """The status of a call on a connection, which stays open."""
    body = call()
    fields = {**POST_HEADERS, "host": "localhost", "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
    async with asyncio.timeout(10):
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = re.search(r"content-length: (\d+)", answer)
        await reader.readexactly(int(length[1]))
    return int(answer.split()[1])


async def until_refused(port):
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                # The port was closed while this connection waited to be accepted.
                continue
            writer.close()
            with contextlib.suppress(ConnectionResetError):
                await writer.wait_closed()
            await asyncio.sleep(0.01)


async def read_stream(pod):
    try:
        await pod.client.get(pod.mcp, headers={"accept": "text/event-stream"})
    except httpx2.RemoteProtocolError:
        return "cut"
    return "ended"
