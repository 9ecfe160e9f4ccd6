"""The audit's two layers: one event for each request that authentication let in, and what the dispatch adds to it."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from vmcp_proxy.observability.audit import (
    AuditEvent,
    EventFilter,
    Subject,
    Target,
    encode_event,
    event_type,
)
from vmcp_proxy.observability.audit.line import Excerpt, HeaderValues, LineWithData
from vmcp_proxy.observability.audit.queue import Line
from vmcp_proxy.observability.masking import Masks
from vmcp_proxy.protocol.jsonrpc import Batch, Response
from vmcp_proxy.serve.chain.decision_data import NO_DATA, DecisionData
from vmcp_proxy.serve.chain.repeated_lines import CREDENTIALS, RepeatedLines
from vmcp_proxy.serve.chain.sources import Network, source_of
from vmcp_proxy.serve.context import Handler, RequestContext

if TYPE_CHECKING:
    from vmcp_proxy.core.virtual import WorkflowEvent

NAME: Final = "audit"
ENRICHMENT: Final = "backend_enrichment"
_LONGEST: Final = 1024
_NO_SECRETS: Final = Masks(())


class Lines(Protocol):
    """Where lines go."""

    def write(self, line: Line) -> None:
        """Takes one line; never blocks, never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """Which content of messages is written with events, `most` bytes of each, and what is never: `secrets`."""

    of_requests: bool = False
    of_answers: bool = False
    most: int = 4096
    secrets: Masks = _NO_SECRETS

    def line(self, event: AuditEvent, context: RequestContext) -> Line:
        """The line of an event with what is wanted; the parts of a batch have their own."""
        said = None if isinstance(context.message, Batch) else context.message
        request = None
        if self.of_requests and said is not None:
            raw = said.result or said.error if isinstance(said, Response) else said.params
            request = None if raw is None else Excerpt.of(raw, self.most)
        is_message = self.of_answers and context.answer and not isinstance(context.message, Batch)
        answer = Excerpt.of(context.answer, self.most) if is_message and context.answer else None
        return LineWithData(event, request, answer, self.most, self.secrets, _values_of(context))

    def without_data(self, event: AuditEvent, context: RequestContext) -> Line:
        """The line of an event that is about no message of its own."""
        return LineWithData(event, None, None, self.most, self.secrets, _values_of(context))


NO_CONTENT: Final = Content()


def _values_of(context: RequestContext) -> HeaderValues:
    """Values of headers that a client or a backend may have repeated."""
    received = [value for name, value in context.scope["headers"] if name in CREDENTIALS]
    sent = [value for each in context.credentials for _, value in each.latest]
    return HeaderValues(context.sent_headers.values(), (*received, *sent))


@dataclass(frozen=True, slots=True)
class Auditor:
    """Turns requests into audit events; `component` names the endpoint (`<namespace>/<name>`).

    `repeated` remembers lines; it is there where no content is written.
    """

    sink: Lines
    component: str
    filter: EventFilter
    trusted_proxies: tuple[Network, ...] = ()
    data: DecisionData = NO_DATA
    content: Content = NO_CONTENT
    repeated: RepeatedLines | None = None

    def begin(self, context: RequestContext) -> None:
        """Hears of a request before it is served."""
        context.keeps_answer = self.content.of_answers

    def record(self, context: RequestContext) -> None:
        """Writes the event of a request that is over, unless its type is filtered out."""
        repeated = self.repeated
        if repeated is not None and (known := repeated.find(context)) is not None:
            self.sink.write(known)
            return
        if not self.filter.wants(event_type(context.rpc_method)):
            return
        event = self.event_of(context)
        if repeated is not None and (plain := repeated.encode(event, context)) is not None:
            self.sink.write(plain)
            return
        self.sink.write(encode_event(event) if self.content is NO_CONTENT else self.content.line(event, context))

    def record_workflow(self, context: RequestContext, event: "WorkflowEvent") -> None:
        """Writes what became of a composite tool or of a step of it, now; the line of the request comes at its end."""
        if not self.filter.wants(event.type):
            return
        identity, request_id, part = context.identity, context.request_id, event.workflow
        line = AuditEvent(
            id=f"a-{request_id}-{part.step or event.type}",
            time=datetime.now(UTC),
            type=event.type,
            outcome=event.outcome,
            reason=event.reason or msgspec.UNSET,
            component=self.component,
            source=self.source_of(context),
            subject=None if identity is None else Subject(identity.issuer, identity.subject),
            target=Target(context.rpc_method, _cut(event.tool or part.name)),
            backend=event.backend,
            session=context.session_ref,
            decision=msgspec.UNSET if event.decision is None else self.data.describe(event.decision, identity),
            status=0,
            rejected_by="",
            duration_ms=round(event.seconds * 1000, 3),
            request_bytes=0,
            response_bytes=0,
            request_id=request_id,
            trace_id=context.trace_id or msgspec.UNSET,
            workflow=part,
        )
        content = self.content
        is_plain = content is NO_CONTENT
        self.sink.write(encode_event(line) if is_plain else content.without_data(line, context))

    def source_of(self, context: RequestContext) -> str | None:
        """The address that a request comes from."""
        return source_of(context.scope, self.trusted_proxies)

    def event_of(self, context: RequestContext) -> AuditEvent:
        """The event of a request that is over."""
        is_enriched, identity, decision = context.is_enriched, context.identity, context.decision
        request_id = context.request_id
        return AuditEvent(
            id=f"a-{request_id}",
            time=datetime.now(UTC),
            type=event_type(context.rpc_method),
            outcome=context.final_outcome,
            reason=context.final_reason or msgspec.UNSET,
            component=self.component,
            source=self.source_of(context),
            subject=None if identity is None else Subject(identity.issuer, identity.subject),
            target=Target(_cut(context.rpc_method), _cut(context.target), _cut(context.via))
            if is_enriched
            else Target(_cut(context.rpc_method)),
            backend=context.backend if is_enriched else "",
            session=context.session_ref if is_enriched else "",
            decision=msgspec.UNSET if decision is None or not is_enriched else self.data.describe(decision, identity),
            status=context.final_status,
            rejected_by=context.rejected_by,
            duration_ms=round((time.perf_counter() - context.started) * 1000, 3),
            request_bytes=len(context.body),
            response_bytes=context.bytes_out,
            request_id=request_id,
            trace_id=context.trace_id or msgspec.UNSET,
        )


def _cut(text: str) -> str:
    """What clients choose, at a length that fits a line."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def auditing(inner: Handler, auditor: Auditor) -> Handler:
    """Records the request when it is over, however it ended."""
    on_workflow = auditor.record_workflow

    async def handle(context: RequestContext) -> None:
        auditor.begin(context)
        context.on_workflow = on_workflow
        try:
            await inner(context)
        finally:
            auditor.record(context)

    return handle


def backend_enrichment(inner: Handler) -> Handler:
    """Has the event say what the dispatch finds out, however it ends: target, backend, session and decision."""

    def handle(context: RequestContext) -> Awaitable[None]:
        context.is_enriched = True
        return inner(context)

    return handle
