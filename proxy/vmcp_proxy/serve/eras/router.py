"""The dispatch: every request goes to the endpoint of its era."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.modern.envelope import Envelope
from vmcp_proxy.protocol.modern.eras import LEGACY, Modern, Refusal, classify
from vmcp_proxy.protocol.modern.repeated import Repeated
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.versions import SESSION_HEADER
from vmcp_proxy.serve.context import Handler, RequestContext
from vmcp_proxy.serve.http.repeated import RepeatedHead
from vmcp_proxy.serve.rejections import Rejection

NAME: Final = "era"

ModernHandler: TypeAlias = Callable[[RequestContext, Request, Envelope], Awaitable[None]]
"""Serves one request of the modern era whose headers and envelope are as they must be."""


class EraRouter:
    """Classifies requests, and refuses those of the modern era that are not as it demands (ADR-0059)."""

    def __init__(self, legacy: Handler, modern: ModernHandler) -> None:
        self._legacy: Final = legacy
        self._modern: Final = modern

    def __call__(self, context: RequestContext) -> Awaitable[None]:
        """Serves one request that the chain has let through."""
        # Without a frame of its own for either era where the request before it came with the same head.
        head, message = context.same_head, context.message
        known = None if head is None else head.classified
        if known is LEGACY:
            return self._legacy(context)
        if known is not None and type(message) is Request:
            try:
                envelope = known.envelope(message.method, context.reference.members)
            except InvalidParamsError:
                envelope = None
            if envelope is not None:
                return self._modern(context, message, envelope)
        return self._classified(context, head)

    def _classified(self, context: RequestContext, head: RepeatedHead | None) -> Awaitable[None]:
        message = context.message
        if head is None:
            verdict = classify(context.http_method, context.header, message)
        else:
            if head.classified is None:
                head.classified = Repeated()
            verdict = classify(context.http_method, context.header, message, head.classified)
        if verdict is LEGACY:
            if head is not None and context.header(SESSION_HEADER) is not None:
                # By the head alone, whatever the body is.
                head.classified = LEGACY
            return self._legacy(context)
        if isinstance(verdict, Modern) and isinstance(message, Request):
            return self._modern(context, message, verdict.envelope)
        if isinstance(verdict, Refusal):
            refusal = Rejection(verdict.status, verdict.code, verdict.message, verdict.headers)
            return context.reject(NAME, refusal, verdict.data)
        return context.respond(202)
