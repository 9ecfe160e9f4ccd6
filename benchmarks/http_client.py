"""CPU cost per small request on kept connections: this client, aiohttp and httpx2, by turns.

The server is a process of its own that answers every request with the same bytes. Run it with::

    python benchmarks/http_client.py [--rounds 5] [--requests 4000] [--tasks 16]
"""

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from typing import Any, TypeAlias, cast

import aiohttp
import httpx2
import uvloop

from vmcp_api.config import Network
from vmcp_proxy.http_client import HeaderBlock, HttpClient, Peer, Url

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}'
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}]}}'
HEAD = b"HTTP/1.1 200 OK\r\nServer: raw\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)
HEADERS = (
    (b"content-type", b"application/json"),
    (b"accept", b"application/json, text/event-stream"),
    (b"accept-encoding", b"identity"),
    (b"mcp-protocol-version", b"2025-11-25"),
    (b"mcp-session-id", b"0123456789abcdef0123456789abcdef"),
    (b"authorization", b"Bearer abcdefghijklmnopqrstuvwxyz0123456789"),
)
Call: TypeAlias = Callable[[], Awaitable[bytes]]
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...] | HeaderBlock


class RawServer(asyncio.Protocol):
    """Answers each segment that ends a request, head and body in one segment."""

    is_split = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not data.endswith(BODY):
            return
        if self.is_split:
            self.transport.write(HEAD)
            asyncio.get_running_loop().call_soon(self.transport.write, ANSWER)
        else:
            self.transport.write(HEAD + ANSWER)


class SplitServer(RawServer):
    """Sends head and body apart, as uvicorn does."""

    is_split = True


async def serve(protocol: type[RawServer], port_sink: "Connection[int, Any]") -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    port_sink.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def run_server(protocol: type[RawServer], port_sink: "Connection[int, Any]") -> None:
    uvloop.run(serve(protocol, port_sink))


def start_server(protocol: type[RawServer]) -> tuple[multiprocessing.Process, int]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=run_server, args=(protocol, theirs), daemon=True)
    process.start()
    return process, int(ours.recv())


async def build_ours(
    stack: AsyncExitStack, url: str, _tasks: int, headers: Headers = HEADERS, *, stream: bool = False
) -> Call:
    client = HttpClient()
    stack.push_async_callback(client.aclose)
    peer = Peer(Url.parse(url), Network.LOCAL)

    async def call() -> bytes:
        response = await client.request(peer, b"POST", headers, BODY, timeout=60, stream=stream)
        return await response.read(1 << 20, timeout=60)

    return call


async def build_ours_with_block(stack: AsyncExitStack, url: str, tasks: int) -> Call:
    return await build_ours(stack, url, tasks, HeaderBlock(HEADERS))


async def build_ours_streamed(stack: AsyncExitStack, url: str, tasks: int) -> Call:
    return await build_ours(stack, url, tasks, HeaderBlock(HEADERS), stream=True)


async def build_aiohttp(stack: AsyncExitStack, url: str, tasks: int) -> Call:
    client = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=tasks)))
    headers = {name.decode(): value.decode() for name, value in HEADERS}
    timeout = aiohttp.ClientTimeout(total=60)

    async def call() -> bytes:
        async with client.post(url, data=BODY, headers=headers, timeout=timeout) as response:
            return await response.read()

    return call


async def build_httpx2(stack: AsyncExitStack, url: str, tasks: int) -> Call:
    limits = httpx2.Limits(max_connections=tasks, max_keepalive_connections=tasks)
    client = await stack.enter_async_context(httpx2.AsyncClient(limits=limits, timeout=60))
    headers = [(name.decode(), value.decode()) for name, value in HEADERS]

    async def call() -> bytes:
        return (await client.post(url, content=BODY, headers=headers)).content

    return call


CONTENDERS: Mapping[str, Callable[[AsyncExitStack, str, int], Awaitable[Call]]] = {
    "ours": build_ours,
    "ours, HeaderBlock": build_ours_with_block,
    "ours, HeaderBlock, streamed": build_ours_streamed,
    "aiohttp": build_aiohttp,
    "httpx2": build_httpx2,
}


async def take_turn(call: Call, requests: int, tasks: int) -> tuple[float, float]:
    """Return CPU and wall microseconds per request."""

    async def work() -> None:
        for _ in range(requests // tasks):
            if await call() != ANSWER:
                raise RuntimeError("wrong answer")

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(tasks)))
    done = requests // tasks * tasks
    return (time.process_time() - cpu) / done * 1e6, (time.perf_counter() - wall) / done * 1e6


async def compare(label: str, url: str, options: argparse.Namespace) -> None:
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    async with AsyncExitStack() as stack:
        calls = {name: await build(stack, url, options.tasks) for name, build in CONTENDERS.items()}
        for call in calls.values():
            await take_turn(call, options.tasks * 20, options.tasks)
        for _ in range(options.rounds):
            for name, call in calls.items():
                requests = options.requests if name != "httpx2" else options.requests // 4
                results[name].append(await take_turn(call, requests, options.tasks))
    print(f"\n{label}, {options.tasks} tasks, best and median of {options.rounds} rounds")
    print(f"{'client':<28}{'CPU us':>10}{'median':>10}{'req/s':>10}{'ratio':>8}")
    base = min(cpu for cpu, _ in results["ours"])
    for name, turns in results.items():
        best = min(cpu for cpu, _ in turns)
        median = statistics.median(cpu for cpu, _ in turns)
        rate = 1e6 / min(wall for _, wall in turns)
        print(f"{name:<28}{best:>10.1f}{median:>10.1f}{rate:>10.0f}{best / base:>8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000, help="per round; httpx2 does a quarter")
    parser.add_argument("--tasks", type=int, default=16)
    options = parser.parse_args()
    for label, protocol in (("one segment", RawServer), ("head and body apart", SplitServer)):
        process, port = start_server(protocol)
        try:
            uvloop.run(compare(label, f"http://127.0.0.1:{port}/mcp", options))
        finally:
            process.terminate()
            process.join()


if __name__ == "__main__":
    main()
