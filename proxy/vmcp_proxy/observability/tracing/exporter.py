"""Where spans go: the SDK's batch processor and exporter, bounded and counted, in a thread of their own."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.observability.tracing.counts import SpanCounts
from vmcp_proxy.observability.tracing.spans import FinishedSpan

MOST_WAITING: Final = 4096
"""Spans that wait for the exporter, of some 2 KiB each; what comes beyond is lost and counted."""

MOST_AT_ONCE: Final = 128
"""Spans in one request: encoding more would hold the interpreter, and with it the event loop, for milliseconds."""

DELAY: Final = 1.0
"""Seconds that a span waits for company."""

_KINDS: Final = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_ERROR: Final = Status(StatusCode.ERROR)
_UNSET: Final = Status(StatusCode.UNSET)


class SpanOutput:
    """Takes finished spans on the event loop; everything that waits happens in the processor's thread.

    Spans are counted when they are taken and when they are through, each number by one thread: what waits is the
    difference, and the processor's own queue, which drops in silence, is never full.
    """

    def __init__(
        self,
        connection: OtlpConnection,
        resource: Mapping[str, str],
        version: str,
        counts: SpanCounts,
        logger: logging.Logger,
    ) -> None:
        self._resource: Final = Resource(dict(resource))
        self._scope: Final = InstrumentationScope("vmcp", version)
        self._counts: Final = counts
        self._logger: Final = logger
        self._exporter: Final = _CountingExporter(connection, counts, logger)
        self._processor: Final = BatchSpanProcessor(
            self._exporter,
            max_queue_size=MOST_WAITING,
            schedule_delay_millis=DELAY * 1000,
            max_export_batch_size=MOST_AT_ONCE,
            export_timeout_millis=connection.timeout * 1000,
        )
        self._taken = 0
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Spans that are neither sent nor given up."""
        return self._taken - self._exporter.done

    def write(self, span: FinishedSpan) -> None:
        """See `Output.write`."""
        if self._is_closed or self.waiting >= MOST_WAITING:
            self._counts.overflowed += 1
            return
        self._taken += 1
        self._processor.on_end(self._readable(span))

    def close(self, timeout: float) -> None:
        """Sends what waits, for at most `timeout` seconds; what is left counts as lost. It blocks."""
        if self._is_closed:
            return
        self._is_closed = True
        # A thread that nobody waits for at the end of the process: an export in flight cannot be cut off.
        shut: Callable[[], None] = self._processor.shutdown
        closing = threading.Thread(target=shut, name="close traces", daemon=True)
        closing.start()
        closing.join(timeout)
        if closing.is_alive():
            self._exporter.give_up()
        left = self.waiting
        if left:
            self._counts.lose(left)
            log_event(self._logger, logging.ERROR, "traces cannot be sent at the end, spans are lost", lost=left)

    def _readable(self, span: FinishedSpan) -> ReadableSpan:
        # Made whole at its end: a span of the SDK's own that is open costs a lock for every attribute.
        trace = int(span.trace, 16)
        state = TraceState(_pairs(span.state)) if span.state else None
        context = SpanContext(
            trace, int(span.span, 16), is_remote=False, trace_flags=TraceFlags(span.flags), trace_state=state
        )
        parent = SpanContext(trace, int(span.parent, 16), is_remote=span.is_parent_remote) if span.parent else None
        link = span.link
        return ReadableSpan(
            name=span.name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes={**span.attributes, "error.type": span.error} if span.error else span.attributes,
            events=[Event(each.name, each.attributes, each.time) for each in span.events],
            links=() if link is None else (Link(SpanContext(int(link.trace, 16), int(link.span, 16), is_remote=True)),),
            kind=_KINDS[span.kind],
            status=_ERROR if span.error else _UNSET,
            start_time=span.start,
            end_time=span.end,
            instrumentation_scope=self._scope,
        )


class _CountingExporter(SpanExporter):
    """The SDK's exporter; counts what is lost, and logs when that begins and when it is over."""

    def __init__(self, connection: OtlpConnection, counts: SpanCounts, logger: logging.Logger) -> None:
        self._session: Final = connection.open()
        self._inner: Final = OTLPSpanExporter(
            endpoint=connection.url("traces"),
            session=self._session,
            timeout=connection.timeout,
            compression=Compression.NoCompression,
        )
        self._counts: Final = counts
        self._logger: Final = logger
        self._lost = 0
        self._gave_up = False
        self.done = 0
        """Spans that are through, one way or the other."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter.export`; in the processor's thread."""
        count = len(spans)
        result = SpanExportResult.FAILURE
        try:
            result = self._inner.export(spans)
        finally:
            if not self._gave_up:
                self._note(count, is_sent=result is SpanExportResult.SUCCESS)
            self.done += count
        return result

    def shutdown(self) -> None:
        """See `SpanExporter.shutdown`."""
        shut: Callable[[], None] = self._inner.shutdown
        shut()

    def give_up(self) -> None:
        """Counts nothing any more, and tries nothing again: what has not been sent by now is lost."""
        self._gave_up = True
        self.shutdown()

    def _note(self, count: int, *, is_sent: bool) -> None:
        if is_sent:
            rejected = min(_rejected(self._session.answer), count)
            self._counts.send(count - rejected)
            if rejected:
                self._counts.lose(rejected)
            if self._lost:
                log_event(self._logger, logging.WARNING, "traces are sent again", lost=self._lost)
                self._lost = 0
            return
        self._counts.lose(count)
        if not self._lost:
            problem = self._session.problem or "it failed"
            log_event(self._logger, logging.ERROR, "traces cannot be sent, spans are lost", collector=problem)
        self._lost += count


def _rejected(answer: bytes) -> int:
    """How many spans the collector says that it did not take; what cannot be read says nothing."""
    if not answer:
        return 0
    try:
        rejected: int = ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
    except DecodeError:
        return 0
    return max(rejected, 0)


def _pairs(state: str) -> list[tuple[str, str]]:
    return [(key, value) for key, _, value in (each.partition("=") for each in state.split(","))]
