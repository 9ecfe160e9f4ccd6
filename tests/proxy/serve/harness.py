"""A chain on a real socket with a dispatch that a test can steer."""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import httpx2

from tests.support.callers import AskedEachTime
from tests.support.plain_http import http_client
from vmcp_proxy.auth.incoming.anonymous import AnonymousAuthenticator
from vmcp_proxy.auth.incoming.refusal import Fault, Refusal
from vmcp_proxy.core.explain.explainer import Asked
from vmcp_proxy.core.explain.explanation import Explanation
from vmcp_proxy.headerforward import AllowList
from vmcp_proxy.observability.audit import EventFilter
from vmcp_proxy.observability.logs import JsonFormatter
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.protocol.jsonrpc import Request, encode_result
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.versions import CLIENT_REVISIONS
from vmcp_proxy.serve.apps.mcp import build_mcp_app
from vmcp_proxy.serve.apps.well_known import WellKnown, WellKnownSettings
from vmcp_proxy.serve.chain.auditing import Auditor
from vmcp_proxy.serve.chain.chain import ChainServices, ChainSettings, LiveChain, build_chain
from vmcp_proxy.serve.chain.header_rules import HostRule, OriginRule
from vmcp_proxy.serve.chain.header_validation import HeaderPolicy
from vmcp_proxy.serve.chain.stream_timeout import InFlight
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.http.listener import CONNECTION, Listener, ListenerServer

ACCEPT = "application/json, text/event-stream"
POST_HEADERS = {"accept": ACCEPT, "content-type": "application/json"}
CLUSTER = HeaderPolicy(HostRule(), OriginRule(), 1 << 16, frozenset(each.encode() for each in CLIENT_REVISIONS))
LOCAL = replace(CLUSTER, hosts=HostRule(loopback=True), origins=OriginRule(loopback=True))


def call(name: str = "echo", request_id: int = 1, **arguments: Any) -> bytes:
    params = {"name": name, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}).encode()


def message(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


class NothingToExplain:
    """Takes the place of the core where nothing is asked of it, and where nothing is served."""

    async def explain(self, asked: Asked) -> Explanation:
        raise AssertionError(asked)

    def names(self, kind: Kind) -> tuple[str, ...]:
        return ()


async def answer_empty(context: RequestContext) -> None:
    if isinstance(context.message, Request):
        await context.respond(200, encode_result(context.message.id, b"{}"))
    else:
        await context.respond(202)


class MemorySink:
    """Takes the place of the audit sink's thread."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


class TokenAuthenticator(AskedEachTime, AnonymousAuthenticator):
    """Refuses whoever presents nothing, as OIDC would."""

    async def authenticate(self, authorization, source):
        if authorization is None:
            return Refusal(Fault.NO_CREDENTIALS, "Present a token.")
        return await super().authenticate(authorization, source)


@dataclass
class World:
    """What a test can change before requests arrive and look at afterwards."""

    dispatch: Callable[[RequestContext], Awaitable[None]] = answer_empty
    settings: ChainSettings = field(
        default_factory=lambda: ChainSettings(CLUSTER, 3600.0, AnonymousAuthenticator(), AllowList.of(()))
    )
    metrics: Metrics = field(default_factory=Metrics)
    in_flight: InFlight = field(default_factory=lambda: InFlight(tick=0.02))
    sink: MemorySink = field(default_factory=MemorySink)
    log: io.StringIO = field(default_factory=io.StringIO)
    services: ChainServices = field(init=False)
    server: ListenerServer = field(init=False)
    live: LiveChain = field(init=False)
    well_known: WellKnown = field(init=False)
    client: httpx2.AsyncClient = field(init=False)
    port: int = 0

    def __post_init__(self) -> None:
        logger = logging.Logger("vmcp.serve", logging.DEBUG)  # noqa: LOG001 - one for each world, not global
        handler = logging.StreamHandler(self.log)
        handler.setFormatter(JsonFormatter())
        logger.addHandler(handler)
        self.services = ChainServices(self.metrics, self.in_flight, logger)

    def audited(self, **changes: Any) -> None:
        auditor = Auditor(self.sink, "default/demo", **{"filter": EventFilter(), **changes})
        self.settings = replace(self.settings, auditor=auditor)

    def rebuild(self, **changes: Any) -> None:
        """Replaces the chain as a reload does."""
        self.settings = replace(self.settings, **changes)
        self.live.current = build_chain(self.settings, self._dispatch, self.services)

    async def _dispatch(self, context: RequestContext) -> None:
        await self.dispatch(context)

    @contextlib.asynccontextmanager
    async def serving(self, **changes: Any) -> AsyncIterator["World"]:
        """Listens on a free port while the block runs."""
        self.live = LiveChain(build_chain(replace(self.settings, **changes), self._dispatch, self.services))
        self.rebuild(**changes)
        self.well_known = WellKnown(WellKnownSettings(self.settings.policy.hosts, None), self.metrics.on_rejected)
        count = partial(self.metrics.on_rejected, CONNECTION)
        listener = Listener(build_mcp_app(self.live, self.well_known), on_refused=count)
        server = self.server = ListenerServer(listener, listener.bind())
        async with asyncio.TaskGroup() as group:
            supervisor = group.create_task(self.in_flight.run())
            group.create_task(server.run_until_closed())
            await server.listening.wait()
            self.port = server.port
            url = f"http://127.0.0.1:{server.port}"
            async with http_client(base_url=url, headers=POST_HEADERS, timeout=10) as self.client:
                try:
                    yield self
                finally:
                    supervisor.cancel()
                    self.in_flight.cut_all()
                    server.close_within(1)

    async def post(self, content: Any = None, **headers: str) -> httpx2.Response:
        """Posts a body (a small call where none is given) with more headers, `_` standing for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = call() if content is None else content
        return await self.client.post("/mcp", content=body, headers=named)

    def scrape(self) -> dict[str, float]:
        """Every sample by its text, such as `vmcp_requests_total{method="ping",status="200"}`."""
        text, _ = self.metrics.snapshot().render("")
        pairs = (line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


async def eventually(holds: Callable[[], bool]) -> None:
    """Waits until something holds that nobody announces."""
    async with asyncio.timeout(45):
        while not holds():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


async def exchange(port: int, request: bytes) -> bytes:
    """What a raw connection gets back until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(45):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
