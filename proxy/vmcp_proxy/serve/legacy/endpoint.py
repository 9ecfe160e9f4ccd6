"""The dispatch: what each HTTP method and each JSON-RPC message does to a session."""

import asyncio
import time
from collections.abc import Awaitable
from functools import partial
from typing import Final

from vmcp_proxy.clients.messages import ClientMessages
from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.clients.session_client import SessionCaller
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.observability.audit import Outcome, Reason
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES
from vmcp_proxy.protocol.jsonrpc import (
    Answer,
    Batch,
    Notification,
    Request,
    Response,
    encode_result,
)
from vmcp_proxy.protocol.methods import LEGACY_METHODS, Handling, Method
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.versions import SESSION_HEADER, has_batches
from vmcp_proxy.serve import rejections
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.eras.keep_alive import KeepAlive
from vmcp_proxy.serve.eras.settings import LiveSettings
from vmcp_proxy.serve.legacy.answer_streams import AnswerStreams
from vmcp_proxy.serve.legacy.answers import cancelled, invalid_params, method_not_found
from vmcp_proxy.serve.legacy.batch import serve_batch
from vmcp_proxy.serve.legacy.get_stream import GetStream
from vmcp_proxy.serve.legacy.handshake import Handshake
from vmcp_proxy.serve.legacy.post_exchange import PostExchange
from vmcp_proxy.serve.legacy.requests import Requests
from vmcp_proxy.sessions import Missing, MissingReason, SessionManager, StoreUnavailable

NAME: Final = "dispatch"
_AWAY: Final = {
    MissingReason.UNAVAILABLE: rejections.STORE_AWAY,
    MissingReason.CLOSED: rejections.SHUTTING_DOWN,
    MissingReason.CAPPED: rejections.ALL_IN_USE,
}


class Endpoint:
    """Serves legacy MCP: sessions by header, a message or a batch for each POST, a stream for each GET."""

    def __init__(
        self,
        sessions: SessionManager,
        clients: SessionClients,
        handshake: Handshake,
        requests: Requests,
        get_stream: GetStream,
        keep_alive: KeepAlive,
        answers: AnswerStreams,
        messages: ClientMessages,
        settings: LiveSettings,
    ) -> None:
        self._sessions = sessions
        self._clients = clients
        self._handshake = handshake
        self._requests = requests
        self._get_stream = get_stream
        self._keep_alive = keep_alive
        self._answers = answers
        self._messages = messages
        self._settings = settings

    def __call__(self, context: RequestContext) -> Awaitable[None]:
        """Serves one request that the chain has let through."""
        match context.http_method:
            case "POST":
                return self._post(context)
            case "GET":
                return self._get(context)
            case _:
                return self._delete(context)

    async def _get(self, context: RequestContext) -> None:
        caller = await self._caller(context)
        if caller is not None:
            await self._get_stream.serve(context, caller)

    async def _post(self, context: RequestContext) -> None:
        message = context.message
        if isinstance(message, Request):
            if message.method == "initialize":
                await self._handshake.serve(context, message)
                return
            caller = await self._caller(context)
            if caller is not None:
                await self._request(context, caller, message)
            return
        caller = await self._caller(context)
        if caller is None:
            return
        if isinstance(message, Batch):
            await self._batch(context, caller, message)
            return
        client = caller.client
        client.caller = caller
        if isinstance(message, Notification):
            await self._messages.notified(client, message, context.body)
        elif isinstance(message, Response) and not await self._messages.answered(client, message, context.body):
            context.outcome = Outcome.FAILURE
            await context.reject(NAME, rejections.NOBODY_ASKS)
            return
        await context.respond(202)

    async def _batch(self, context: RequestContext, caller: SessionCaller, message: Batch) -> None:
        if context.each is None or not has_batches(caller.client.session.protocol_version):
            context.outcome = Outcome.FAILURE
            await context.reject(NAME, rejections.NO_BATCHES)
            return
        await serve_batch(context, message, context.each)

    async def _request(self, context: RequestContext, caller: SessionCaller, message: Request) -> None:
        method = LEGACY_METHODS.get(message.method)
        if method is None:
            context.outcome = Outcome.FAILURE
            await context.respond(200, method_not_found(message))
            return
        if method.handling is Handling.PING:
            await context.respond(200, encode_result(message.id, NO_CAPABILITIES))
            return
        caller.client.caller = caller
        now = asyncio.get_running_loop().time()
        exchange = PostExchange(context, caller.client.session, message.id, self._answers, now)
        try:
            answer = await self._answer(context, caller, message, method, exchange)
            if answer is not None:
                finishing = exchange.finish(answer)
                del answer  # or it would be held beside what is written, for as long as a client takes to read that
                await finishing
        finally:
            exchange.abandon()

    async def _answer(
        self,
        context: RequestContext,
        caller: SessionCaller,
        message: Request,
        method: Method,
        exchange: PostExchange,
    ) -> Answer | None:
        client, session = caller.client, caller.client.session
        task = asyncio.current_task()
        if task is not None:
            client.in_flight[task] = message.id
        self._keep_alive.add(exchange)
        session.uses.add(context)
        try:
            return await self._requests.answer(context, caller, message, method, exchange)
        except InvalidParamsError as error:
            context.outcome = Outcome.FAILURE
            return invalid_params(message.id, str(error))
        except asyncio.CancelledError:
            if task is None or task not in (client.cancelled or ()) or task.uncancel() > 0:
                raise
            context.outcome, context.reason = Outcome.FAILURE, Reason.CANCELLED
            return cancelled(message.id, is_session_over=session.ended is not None)
        finally:
            if task is not None:
                del client.in_flight[task]
                if client.cancelled:
                    client.cancelled.discard(task)
            self._keep_alive.discard(exchange)
            session.uses.discard(context)
            session.touch(time.monotonic())

    async def _delete(self, context: RequestContext) -> None:
        session_id = _session_id(context)
        if session_id is None:
            await context.reject(NAME, rejections.NO_SESSION_ID)
            return
        if context.identity is None:
            return
        context.session_ref = self._sessions.ref_of(session_id)
        try:
            missing = await self._sessions.end(session_id, context.identity)
        except StoreUnavailable:
            await self._refuse(context, MissingReason.UNAVAILABLE)
            return
        if missing is None:
            await context.respond(204)
        else:
            await self._refuse(context, missing.reason)

    async def _caller(self, context: RequestContext) -> SessionCaller | None:
        """Who asks, in which session; None after a refusal."""
        session_id, identity = _session_id(context), context.identity
        if session_id is None:
            await context.reject(NAME, rejections.NO_SESSION_ID)
            return None
        if identity is None:
            return None
        session = self._sessions.peek(session_id, identity)
        if session is None:
            found = await self._sessions.resolve(session_id, identity, partial(self._captured, context))
            if isinstance(found, Missing):
                # The attempt on a foreign session is audited with the session that it was made on.
                context.session_ref = self._sessions.ref_of(session_id)
                await self._refuse(context, found.reason)
                return None
            session = found
        context.session_ref = session.ref
        snapshot = context.captured() if self._settings.current.takes_request_headers else session.snapshot
        context.sent_headers = snapshot
        return SessionCaller(identity, self._clients.of(session), snapshot)

    def _captured(self, context: RequestContext) -> HeaderSnapshot:
        """What binds a restored session to its headers; nothing where each request has its own."""
        return EMPTY_SNAPSHOT if self._settings.current.takes_request_headers else context.captured()

    async def _refuse(self, context: RequestContext, reason: MissingReason) -> None:
        if (away := _AWAY.get(reason)) is not None:
            context.outcome = Outcome.ERROR
            await context.reject(NAME, away)
            return
        # One answer for all the rest: it must not tell a forged id from an ended or a foreign session.
        context.outcome = Outcome.DENIED if reason is MissingReason.FOREIGN else Outcome.FAILURE
        await context.reject(NAME, rejections.UNKNOWN_SESSION)


def _session_id(context: RequestContext) -> str | None:
    raw = context.header(SESSION_HEADER)
    return None if raw is None else raw.decode("latin-1")
