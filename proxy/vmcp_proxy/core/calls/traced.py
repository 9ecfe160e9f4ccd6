"""The span of a request to a backend, from the trace of the client's request (ADR-0047)."""

from typing import TypeAlias

from vmcp_proxy.backends.interface import BackendSession
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.virtual import Operation
from vmcp_proxy.observability.tracing.attributes import (
    BACKEND,
    REQUEST_ID,
    REVISION,
    STATUS_CODE,
    TOOL_ERROR,
    code_of_error,
    request_attributes,
    server_attributes,
    span_name,
)
from vmcp_proxy.observability.tracing.spans import Attributes, ClientSpan, PassedTrace, Trace
from vmcp_proxy.protocol.jsonrpc import Response
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import marks_of

CallTrace: TypeAlias = PassedTrace | ClientSpan
"""A `RequestSpan` with what goes into `_meta`."""


def begin_call(trace: Trace, operation: Operation, capability: Capability, member: Member) -> CallTrace:
    """The span of a request that is about to be sent; it bears the backend's own names."""
    if isinstance(trace, PassedTrace):
        return trace.prepared()
    method, kind = operation.method, capability.kind
    name = operation.name if kind is Kind.TEMPLATE else capability.original
    attributes = request_attributes(method, kind, name, None)
    attributes[BACKEND] = member.name
    attributes.update(server_attributes(member.config.url))
    return trace.call(span_name(method, kind, name), attributes)


def end_call(
    span: ClientSpan,
    outcome: str | None,
    answer: Response | None,
    session: BackendSession | None,
    request_id: int,
) -> None:
    """Says how it went: `outcome` as `CallSpan.end` hears it; of the answer only whether it is an error counts."""
    attributes: Attributes = {REQUEST_ID: str(request_id)} if request_id else {}
    if session is not None:
        attributes[REVISION] = session.hello.version
    error = outcome or ""
    if answer is not None and answer.error is not None:
        error = attributes[STATUS_CODE] = code_of_error(answer.error)
    elif answer is not None and answer.result is not None and (answer.marks or marks_of(answer.result)).is_error:
        error = TOOL_ERROR
    span.end(error, attributes)
