"""The layer that traces: one server span for each MCP request or notification that is recorded (ADR-0047)."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.tracing.attributes import (
    BACKEND,
    OTHER_ERROR,
    REVISION,
    SESSION,
    STATUS_CODE,
    TOOL_ERROR,
    code_of_answer,
    method_of,
    request_attributes,
    span_name,
)
from vmcp_proxy.observability.tracing.spans import Attributes, PassedTrace, RecordedTrace, Tracing
from vmcp_proxy.protocol.jsonrpc import Notification, Raw, Request
from vmcp_proxy.protocol.methods import NO_REFERENCE, Reference
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.serve.context import Handler, RequestContext

NAME: Final = "tracing"

_TRACED: Final = (Request, Notification)
_MOST_POLICIES: Final = 16
_ERRORS: Final = range(400, 600)


def tracing(inner: Handler, tracer: Tracing) -> Handler:
    """Gives every MCP message that comes in its trace, and ends the server span of those that are recorded.

    Streams, answers of clients and batches as a whole have none; each message of a batch has its own.
    """
    begin, begin_here, reads_baggage = tracer.begin, tracer.begin_here, tracer.reads_baggage

    def handle(context: RequestContext) -> Awaitable[None]:
        message = context.message
        if not isinstance(message, _TRACED):
            return inner(context)
        meta: Raw | None = None
        if message.params is not None:
            try:
                meta = context.reference.members.get("_meta")
            except InvalidParamsError:
                meta = None
        has_parent = context.header(b"traceparent") is not None
        if meta is not None or has_parent or reads_baggage:
            trace = begin(context.scope["headers"], meta, context.started, has_parent=has_parent)
        else:
            trace = begin_here(context.started)
        context.trace = trace
        # Without a frame of its own where nothing is recorded.
        return inner(context) if isinstance(trace, PassedTrace) else _recorded(inner, context, trace)

    return handle


async def _recorded(inner: Handler, context: RequestContext, trace: RecordedTrace) -> None:
    error = ""
    # For the code of one that is an error; it is as it is, and gone with the request.
    context.keeps_answer = True
    try:
        await inner(context)
    except asyncio.CancelledError:
        error = "cancelled" if context.cut is None else context.cut.name.lower()
        raise
    except Exception as crash:
        error = type(crash).__name__
        raise
    finally:
        _end(context, trace, error)


def _reference_of(context: RequestContext) -> Reference:
    try:
        return context.reference
    except InvalidParamsError:
        return NO_REFERENCE


def _end(context: RequestContext, trace: RecordedTrace, error: str) -> None:
    method, reference = context.rpc_method, _reference_of(context)
    message = context.message
    request_id = message.id if isinstance(message, Request) else None
    target = context.called or reference.name
    attributes = request_attributes(method, reference.kind, target, request_id)
    attributes.update(_of_request(context))
    if not error and (error := _error_of(context, trace)).lstrip("-").isdigit():
        attributes[STATUS_CODE] = error
    # A name that nothing bears is the client's own invention: there may be any number of them.
    is_known = context.backend or context.is_composite
    name = span_name(method, reference.kind, target) if is_known else method_of(method)
    trace.end(name, attributes, error)


def _of_request(context: RequestContext) -> Attributes:
    attributes: Attributes = {}
    if context.session_ref:
        attributes[SESSION] = context.session_ref
    if (revision := context.header(b"mcp-protocol-version")) is not None:
        attributes[REVISION] = revision.decode("latin-1")
    if context.backend:
        attributes[BACKEND] = context.backend
    if context.scope.get("client") is None:
        attributes["network.transport"] = "pipe"
    else:
        attributes["network.transport"] = "tcp"
        attributes["network.protocol.name"] = "http"
        attributes["network.protocol.version"] = context.scope.get("http_version", "1.1")
    if (record := context.decision) is not None:
        decision = record.decision
        attributes["vmcp.policy.outcome"] = decision.outcome
        attributes["vmcp.policy.mode"] = decision.mode.value
        attributes["vmcp.policy.ids"] = (decision.policies + decision.errors)[:_MOST_POLICIES]
    return attributes


def _error_of(context: RequestContext, trace: RecordedTrace) -> str:
    """What went wrong as a short word or a code, empty where nothing did."""
    outcome = context.final_outcome
    if outcome is Outcome.SUCCESS:
        return ""
    answer = context.answer
    if isinstance(answer, bytes) and (code := code_of_answer(answer)):
        return code
    if outcome is Outcome.APPLICATION_ERROR:
        return TOOL_ERROR
    if context.reason is not None:
        return context.reason.value
    status = context.final_status
    return trace.failure or (str(status) if status in _ERRORS else OTHER_ERROR)
