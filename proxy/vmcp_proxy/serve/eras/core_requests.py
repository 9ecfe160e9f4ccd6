"""How a request of either era is put to the core, and what is noted of the result."""

from collections.abc import Mapping
from typing import Final

import msgspec

from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.pagination import BadCursor, ListEncoder
from vmcp_proxy.core.outcomes import Invalid, Result, Unanswered
from vmcp_proxy.core.stack import LiveCore
from vmcp_proxy.core.virtual import Caller, Operation
from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Marks, Request
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.modern.envelope import Envelope
from vmcp_proxy.serve.context import RequestContext

_BAD_CURSOR: Final = "The cursor is not one of this list; begin without one."
_TOOL_CALL: Final = "tools/call"


class Page(msgspec.Struct, frozen=True, gc=False):
    """The result of a list request as raw JSON, and what it is a page of."""

    raw: bytes
    catalog: Catalog


async def read_page(
    core: LiveCore, context: RequestContext, caller: Caller, kind: Kind, pages: ListEncoder
) -> Page | Unanswered:
    """The page of a list that a request asks for.

    Raises:
        InvalidParamsError: the params do not have the shape of the method.
    """
    cursor = params.optional_text_of(context.reference.members, "cursor")
    catalog = await core.list(caller, kind)
    if not isinstance(catalog, Catalog):
        return catalog
    page = pages.encode(catalog, kind, cursor)
    return Invalid(_BAD_CURSOR) if isinstance(page, BadCursor) else Page(page, catalog)


def operation_of(
    context: RequestContext,
    message: Request,
    envelope: Envelope | None = None,
    repeated: Mapping[bytes, bytes] | None = None,
) -> Operation:
    """The request as the core knows it; `envelope` is that of one without a session, `repeated` as of `Operation`.

    Where nothing but the envelope stands in `_meta`, that ends here: it is what this hop says of itself.
    """
    asked = context.reference
    members, log_level = asked.members, None
    if envelope is not None:
        log_level = envelope.log_level
        if envelope.is_all:
            members = members.copy()
            del members["_meta"]
    return Operation(
        message.method,
        asked.kind,
        asked.name,
        message.params,
        members,
        trace=context.trace,
        log_level=log_level,
        repeated=repeated,
    )


def note_result(context: RequestContext, metrics: Metrics, message: Request, reply: Result) -> Marks | None:
    """Notes who gave a result and whether it is a tool's error; the marks of a tool's result, else None."""
    context.backend = reply.backend
    if message.method != _TOOL_CALL:
        return None
    marks = reply.marks if reply.marks is not None else params.marks_of(reply.raw)
    if marks.is_error:
        context.outcome = Outcome.APPLICATION_ERROR
        metrics.on_tool_error(reply.backend, context.target)
    return marks
