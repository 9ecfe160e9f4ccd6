"""The requests of a session: lists from the caller's view, calls to the backend that owns the name."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias

from vmcp_proxy.clients.links import Links
from vmcp_proxy.clients.notifier import saw
from vmcp_proxy.clients.session_client import SessionCaller
from vmcp_proxy.core.outcomes import Result, Unanswered
from vmcp_proxy.core.stack import LiveCore
from vmcp_proxy.core.virtual import call
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES
from vmcp_proxy.protocol.jsonrpc import Answer, Request, encode_answer, encode_result
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import LOG_LEVELS, Handling, Method
from vmcp_proxy.protocol.params import InvalidParamsError, Members
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.eras.core_requests import Page, note_result, operation_of, read_page
from vmcp_proxy.serve.eras.own_answers import own_answer
from vmcp_proxy.serve.eras.settings import LiveSettings
from vmcp_proxy.serve.legacy.answers import encode_content
from vmcp_proxy.serve.legacy.fitting import fit_tool_result
from vmcp_proxy.serve.legacy.post_exchange import PostExchange
from vmcp_proxy.sessions import Session

_OK: Final = 200

RememberLevel: TypeAlias = Callable[[Session, str], Awaitable[None]]
"""Keeps a session's log level, for every pod."""


class Requests:
    """Answers what a client asks once its session is known."""

    def __init__(
        self,
        virtual: LiveCore,
        links: Links,
        metrics: Metrics,
        remember_level: RememberLevel,
        settings: LiveSettings,
    ) -> None:
        self._virtual = virtual
        self._links = links
        self._metrics = metrics
        self._remember_level = remember_level
        self._settings = settings

    def answer(
        self,
        context: RequestContext,
        caller: SessionCaller,
        message: Request,
        method: Method,
        exchange: PostExchange,
    ) -> Coroutine[Any, Any, Answer | None]:
        """The JSON-RPC answer; None where the response has been given already.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """
        if method.handling is Handling.SET_LEVEL:
            return self._set_level(context, caller, message, context.reference.members)
        if method.handling is Handling.LIST and method.kind is not None:
            return self._list(context, caller, message, method.kind)
        return self._call(context, caller, message, exchange)

    async def _list(
        self, context: RequestContext, caller: SessionCaller, message: Request, kind: Kind
    ) -> Answer | None:
        found = await read_page(self._virtual, context, caller, kind, self._settings.current.legacy_pages)
        if not isinstance(found, Page):
            return await self._without_result(context, message, found)
        saw(caller.client, kind, found.catalog)
        return encode_answer(message.id, found.raw)

    async def _call(
        self, context: RequestContext, caller: SessionCaller, message: Request, exchange: PostExchange
    ) -> Answer | None:
        reply = await call(self._virtual, caller, operation_of(context, message), exchange)
        if type(reply) is Result:
            marks = note_result(context, self._metrics, message, reply)
            return encode_answer(message.id, reply.raw if marks is None else fit_tool_result(reply.raw, marks))
        return await self._without_result(context, message, reply)

    async def _without_result(self, context: RequestContext, message: Request, reply: Unanswered) -> bytes | None:
        answer = own_answer(message, reply)
        answer.note(context)
        body = encode_content(message.id, answer.content)
        # A comment may have kept the connection open meanwhile: there are no headers to add any more then.
        if context.response_started or not answer.headers:
            return body
        await context.respond(_OK, body, headers=answer.headers)
        return None

    async def _set_level(
        self, context: RequestContext, caller: SessionCaller, message: Request, members: Members
    ) -> bytes | None:
        level = params.text_of(members, "level")
        if level not in LOG_LEVELS:
            raise InvalidParamsError(f"The level must be one of {', '.join(LOG_LEVELS)}.")
        client = caller.client
        if (refused := await self._virtual.charge(caller)) is not None:
            return await self._without_result(context, message, refused)
        await self._remember_level(caller.client.session, level)
        await self._links.set_level_everywhere(client, level)
        return encode_result(message.id, NO_CAPABILITIES)
