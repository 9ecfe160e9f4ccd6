"""The requests of clients without a session: each says all that there is to know of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import msgspec

from vmcp_proxy.clients.rounds.pausable_calls import PausableCalls
from vmcp_proxy.clients.stateless.client import StatelessClient
from vmcp_proxy.core.outcomes import RawFailure, Result, Unanswered
from vmcp_proxy.core.stack import LiveCore
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.observability.audit import Outcome, Reason
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.protocol.error_codes import INTERNAL_ERROR
from vmcp_proxy.protocol.jsonrpc import Answer, Marks, Raw, Request
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import COMPLETION, MODERN_METHODS, Handling
from vmcp_proxy.protocol.modern.discovery import encode_discovery
from vmcp_proxy.protocol.modern.envelope import Envelope
from vmcp_proxy.protocol.modern.envelope_keys import SUBSCRIPTION_ID
from vmcp_proxy.protocol.modern.eras import PARAM_HEADERS, method_not_found
from vmcp_proxy.protocol.modern.input_required import is_input_required
from vmcp_proxy.protocol.params import marks_of
from vmcp_proxy.serve.context import Headers, RequestContext
from vmcp_proxy.serve.eras.core_requests import Page, note_result, operation_of, read_page
from vmcp_proxy.serve.eras.introduction import Introduced, Introduction
from vmcp_proxy.serve.eras.own_answers import Failure, own_answer
from vmcp_proxy.serve.eras.settings import LiveSettings
from vmcp_proxy.serve.modern.answers import OK, answer_backend_failure, answer_failure
from vmcp_proxy.serve.modern.exchange import ModernExchange
from vmcp_proxy.serve.modern.listen_stream import ListenStreams
from vmcp_proxy.serve.modern.rendering import CACHED, Scope, encode_modern, encode_own

_COMPLETIONS: Final = "completions"
_NO_OBJECT: Final = Failure(INTERNAL_ERROR, "The backend answered with a result that is no JSON object.")


class Answered(msgspec.Struct, frozen=True, gc=False):
    """An HTTP status, the JSON-RPC answer and more header fields."""

    status: int
    body: Answer
    headers: Headers = ()


class StatelessCaller(Caller, frozen=True):
    """A caller without a session."""

    client: StatelessClient


class ModernRequests:
    """Answers what a client asks once it is known who asks."""

    def __init__(
        self,
        core: LiveCore,
        calls: PausableCalls,
        introduction: Introduction,
        streams: ListenStreams,
        metrics: Metrics,
        settings: LiveSettings,
    ) -> None:
        self._core: Final = core
        self._calls: Final = calls
        self._streams: Final = streams
        self._introduction: Final = introduction
        self._metrics: Final = metrics
        self._settings: Final = settings

    def answer(
        self,
        context: RequestContext,
        caller: StatelessCaller,
        message: Request,
        envelope: Envelope,
        exchange: ModernExchange,
    ) -> Coroutine[Any, Any, Answered]:
        """What the client gets; `context` hears what came of it.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """
        # Without a frame of its own.
        method = MODERN_METHODS[message.method]
        if method.handling is Handling.CALL:
            if message.method == COMPLETION:
                return self._complete(context, caller, message, envelope, exchange)
            return self._call(context, caller, message, envelope, exchange)
        if method.handling is Handling.LIST and method.kind is not None:
            return self._list(context, caller, message, method.kind)
        if method.handling is Handling.DISCOVER:
            return self._discover(context, caller, message)
        return self._listen(context, caller, message, exchange)

    async def _discover(self, context: RequestContext, caller: StatelessCaller, message: Request) -> Answered:
        said = await self._introduction.to(caller)
        if not isinstance(said, Introduced):
            return self._without_result(context, message, said)
        raw = encode_discovery(
            offers=said.offers, carried=said.extensions, instructions=said.instructions, lists=said.lists
        )
        return Answered(OK, encode_own(message.id, raw, said.info.raw))

    async def _list(self, context: RequestContext, caller: StatelessCaller, message: Request, kind: Kind) -> Answered:
        found = await read_page(self._core, context, caller, kind, self._settings.current.modern_pages)
        if not isinstance(found, Page):
            return self._without_result(context, message, found)
        if found.catalog.missing:
            # The page has a `_meta` of its own then.
            return self._completed(message, found.raw, marks_of(found.raw), is_cached=True)
        info, left = self._introduction.info.raw, _left_of(caller)
        return Answered(OK, encode_own(message.id, found.raw, info, ttl_ms=left, scope=_scope_of(caller, found)))

    async def _listen(
        self, context: RequestContext, caller: StatelessCaller, message: Request, exchange: ModernExchange
    ) -> Answered:
        refused = await self._streams.serve(context, caller, message, exchange)
        if isinstance(refused, Failure):
            context.outcome = context.outcome or Outcome.FAILURE
            return Answered(*answer_failure(message, refused))
        if refused is not None:
            return self._without_result(context, message, refused)
        raw = b'{"_meta":{"%b":%b}}' % (SUBSCRIPTION_ID.encode(), message.id)
        return self._completed(message, raw, marks_of(raw), is_cached=False)

    async def _complete(
        self,
        context: RequestContext,
        caller: StatelessCaller,
        message: Request,
        envelope: Envelope,
        exchange: ModernExchange,
    ) -> Answered:
        """Completes where `server/discover` names it: whoever is asked nothing completes nothing."""
        if _COMPLETIONS not in await self._introduction.offers(caller):
            return _not_found(context, message)
        return await self._call(context, caller, message, envelope, exchange)

    async def _call(
        self,
        context: RequestContext,
        caller: StatelessCaller,
        message: Request,
        envelope: Envelope,
        exchange: ModernExchange,
    ) -> Answered:
        operation = operation_of(context, message, envelope, _repeated(context))
        reply = await self._calls.call(caller, operation, exchange)
        if type(reply) is not Result:
            return self._without_result(context, message, reply)
        marks = note_result(context, self._metrics, message, reply)
        if marks is None:
            marks = reply.marks if reply.marks is not None else marks_of(reply.raw)
        if marks.result_type is not msgspec.UNSET and is_input_required(marks.result_type):
            context.reason = Reason.INPUT_REQUIRED
            return self._completed(message, reply.raw, marks, is_cached=False)
        return self._completed(message, reply.raw, marks, is_cached=message.method in CACHED)

    def _completed(self, message: Request, raw: Raw, marks: Marks, *, is_cached: bool) -> Answered:
        answer = encode_modern(message.id, raw, marks, self._introduction.info.raw, is_cached=is_cached)
        return Answered(*answer_failure(message, _NO_OBJECT)) if answer is None else Answered(OK, answer)

    def _without_result(self, context: RequestContext, message: Request, reply: Unanswered) -> Answered:
        answer = own_answer(message, reply)
        answer.note(context)
        if isinstance(answer.content, Failure):
            return Answered(*answer_failure(message, answer.content), answer.headers)
        if isinstance(answer.content, RawFailure):
            return Answered(*answer_backend_failure(message, answer.content, context.target))
        return self._completed(message, answer.content, marks_of(answer.content), is_cached=False)


def _left_of(caller: Caller) -> int:
    """How long the lists that a caller has just seen may be kept, in milliseconds: as long as every backend says."""
    view = caller.client.view
    left = 0.0 if view is None else view.cacheable.until - asyncio.get_running_loop().time()
    return int(max(left, 0.0) * 1000)


def _scope_of(caller: Caller, page: Page) -> Scope:
    """For anybody only where nobody says who it is, every backend says so, and nothing is left out for anybody."""
    view = caller.client.view
    is_whole = view is not None and page.catalog is view.catalog and view.cacheable.is_public
    return Scope.PUBLIC if is_whole and not caller.identity.is_by_token else Scope.PRIVATE


def _repeated(context: RequestContext) -> dict[bytes, bytes]:
    """The headers that say arguments again; none of the others, for a call that waits outlives its request."""
    head = context.same_head
    if head is not None and head.chosen is not None:
        return head.chosen
    chosen = {name: value for name, value in context.scope["headers"] if name.startswith(PARAM_HEADERS)}
    if head is not None:
        head.chosen = chosen
    return chosen


def _not_found(context: RequestContext, message: Request) -> Answered:
    context.outcome = Outcome.FAILURE
    refusal = method_not_found(message.method)
    return Answered(*answer_failure(message, Failure(refusal.code, refusal.message)))
