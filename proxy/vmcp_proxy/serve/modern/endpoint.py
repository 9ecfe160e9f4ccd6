"""The endpoint of the era without sessions: a request, an answer, and nothing that outlives them but a cache."""

import asyncio
from typing import Final

from vmcp_proxy.clients.stateless.clients import StatelessClients, known_client
from vmcp_proxy.observability.audit import Outcome, Reason
from vmcp_proxy.protocol.error_codes import INVALID_PARAMS, REQUEST_CANCELLED
from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.modern.envelope import Envelope
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.eras.keep_alive import KeepAlive
from vmcp_proxy.serve.eras.own_answers import Failure
from vmcp_proxy.serve.modern.answers import answer_failure
from vmcp_proxy.serve.modern.disconnect import CancelledWithClient
from vmcp_proxy.serve.modern.exchange import ModernExchange
from vmcp_proxy.serve.modern.requests import Answered, ModernRequests, StatelessCaller

_CANCELLED: Final = Failure(REQUEST_CANCELLED, "The request was cancelled.")


class ModernEndpoint:
    """Serves requests whose headers and envelope are as they must be; no session and no store is touched."""

    def __init__(self, clients: StatelessClients, requests: ModernRequests, keep_alive: KeepAlive) -> None:
        self._clients: Final = clients
        self._requests: Final = requests
        self._keep_alive: Final = keep_alive

    async def __call__(self, context: RequestContext, message: Request, envelope: Envelope) -> None:
        """Serves one request."""
        identity, task = context.identity, asyncio.current_task()
        if identity is None or task is None:
            return
        clock = asyncio.get_running_loop().time
        # Each request stands alone: it sends its own headers on.
        snapshot = context.sent_headers = context.captured()
        head, now = context.same_head, clock()
        client = None if head is None else self._clients.begin_again(head.client, identity, snapshot, envelope, now)
        if client is None:
            client = self._clients.begin(identity, snapshot, envelope.capabilities, now)
            if head is not None:
                head.client = known_client(client, snapshot, envelope)
        try:
            # The client's own copy of the same: what was made of it for the request before is known by that.
            caller = StatelessCaller(identity, client, client.snapshot)
            exchange = ModernExchange(context, now)
            watch = CancelledWithClient(context, task)
            self._keep_alive.add(exchange)
            try:
                answered = await self._requests.answer(context, caller, message, envelope, exchange)
            except InvalidParamsError as error:
                context.outcome = Outcome.FAILURE
                answered = Answered(*answer_failure(message, Failure(INVALID_PARAMS, str(error))))
            except asyncio.CancelledError:
                if not watch.has_gone or task.uncancel() > 0:
                    raise
                # Nobody reads it; audit and metrics tell it from what was cut or has failed. A stream ends in this way.
                if not context.is_stream:
                    context.outcome, context.reason = Outcome.FAILURE, Reason.CANCELLED
                answered = Answered(*answer_failure(message, _CANCELLED))
            finally:
                watch.end()
                self._keep_alive.discard(exchange)
            finishing = exchange.finish(answered.status, answered.body, answered.headers)
            del answered  # or it would be held beside what is written, for as long as a client takes to read that
            await finishing
        finally:
            self._clients.end(client, clock())
