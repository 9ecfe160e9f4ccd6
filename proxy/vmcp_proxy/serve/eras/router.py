"""The dispatch: every request goes to the endpoint of its era."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.modern.eras import LEGACY, Envelope, Modern, Refusal, Repeated, classify
from vmcp_proxy.serve.context import Handler, RequestContext
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
        head = context.same_head
        if head is None:
            verdict = classify(context.http_method, context.header, context.message)
        else:
            if head.classified is None:
                head.classified = Repeated()
            verdict = classify(context.http_method, context.header, context.message, head.classified)
        # Without a frame of its own for either era.
        if verdict is LEGACY:
            return self._legacy(context)
        if isinstance(verdict, Modern) and isinstance(context.message, Request):
            return self._modern(context, context.message, verdict.envelope)
        if isinstance(verdict, Refusal):
            refusal = Rejection(verdict.status, verdict.code, verdict.message, verdict.headers)
            return context.reject(NAME, refusal, verdict.data)
        return context.respond(202)
