"""`subscriptions/listen`: one stream of what a client has asked to hear of, from its acknowledgement to its result."""

import asyncio
import contextlib
from typing import Final

import msgspec

from vmcp_proxy.auth.decision import ALLOW
from vmcp_proxy.clients.listen.client import ListenClient
from vmcp_proxy.clients.listen.clients import ListenClients
from vmcp_proxy.clients.notifier import Notifier
from vmcp_proxy.core.calls.child_exchange import ChildExchange
from vmcp_proxy.core.outcomes import Limited, Result, Unchecked
from vmcp_proxy.core.stack import LiveCore
from vmcp_proxy.core.virtual import Caller, Operation, call
from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.error_codes import INVALID_REQUEST, TOO_MANY_REQUESTS
from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import SUBSCRIBE
from vmcp_proxy.protocol.modern.subscriptions import Filter, acknowledged, read_filter, stamped
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.eras.expiry import credentials_hold
from vmcp_proxy.serve.eras.own_answers import Failure
from vmcp_proxy.serve.modern.exchange import ModernExchange

_ACKNOWLEDGE_SECONDS: Final = 5.0
"""How long backends may take to accept subscriptions; those that do not are not acknowledged."""

_PARALLEL: Final = 16
_NO_STREAMS: Final = Failure(INVALID_REQUEST, "The answer to this method is a stream; accept text/event-stream.")


class ListenStreams:
    """Serves streams; nothing of one is kept when it is over (MCP 2026-07-28, "Subscriptions"; ADR-0062)."""

    def __init__(self, core: LiveCore, clients: ListenClients, notifier: Notifier) -> None:
        self._core: Final = core
        self._clients: Final = clients
        self._notifier: Final = notifier

    async def serve(
        self, context: RequestContext, caller: Caller, message: Request, exchange: ModernExchange
    ) -> Failure | Limited | Unchecked | None:
        """Streams until the client goes, its credentials expire, or somebody ends it; why not, where it did not begin.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """
        wanted = read_filter(context.reference.members)
        if not exchange.takes_messages:
            return _NO_STREAMS
        if (refused := await self._core.charge_view(caller)) is not None:
            return refused
        client = self._clients.open(caller.identity, caller.snapshot, caller.client.terms, wanted)
        if client is None:
            context.outcome = Outcome.DENIED
            most = self._clients.most_per_identity
            return Failure(TOO_MANY_REQUESTS, f"Too many streams are open (you may have {most}); end some first.")
        context.is_stream = True
        context.release_head()

        def on_finish() -> None:
            # What there is to say is short now, and worth the wait when the process ends.
            context.is_stream = False

        client.on_finish = on_finish
        try:
            honored = await self._begin(context, client, exchange)
            await exchange.send(acknowledged(message.id, honored))
            await self._relay(context, client, message, exchange)
        finally:
            self._clients.close(client)
        return None

    async def _begin(self, context: RequestContext, client: ListenClient, exchange: ModernExchange) -> Filter:
        """Has everything heard that was asked for; what of it will be."""
        await self._notifier.opened(client)
        self._clients.listen(client)
        accepted: set[str] = set()
        slots = asyncio.Semaphore(_PARALLEL)

        async def subscribe(uri: str) -> None:
            async with slots:
                if await self._subscribe(context, client.caller, uri, exchange):
                    accepted.add(uri)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ACKNOWLEDGE_SECONDS), asyncio.TaskGroup() as group:
                for uri in client.wanted.uris:
                    group.create_task(subscribe(uri))
        return Filter(client.wanted.changes, tuple(uri for uri in client.wanted.uris if uri in accepted))

    async def _subscribe(self, context: RequestContext, caller: Caller, uri: str, exchange: ModernExchange) -> bool:
        """Whether the caller may read the resource, and its backend tells of changes to it."""
        raw = msgspec.Raw(params.encode_members({"uri": params.raw_text(uri)}))
        operation = Operation(SUBSCRIBE, Kind.RESOURCE, uri, raw, trace=context.trace)
        child = ChildExchange(exchange)
        try:
            return type(await call(self._core, caller, operation, child)) is Result
        except InvalidParamsError:
            return False
        finally:
            # Of the decisions on one request the audit has the first denial, or the last one where nothing was denied.
            former = context.decision
            if child.decision is not None and (former is None or former.decision.outcome == ALLOW):
                exchange.decided(child.decision)

    async def _relay(
        self, context: RequestContext, client: ListenClient, message: Request, exchange: ModernExchange
    ) -> None:
        while (left := credentials_hold(context)) > 0:
            try:
                async with asyncio.timeout(left if left < _FOREVER else None):
                    notice = await client.news.next()
            except TimeoutError:
                return
            if notice is None:
                return
            await exchange.send(stamped(message.id, notice.method, notice.params))


_FOREVER: Final = 1e9
"""Seconds that no timer needs to be set for."""
