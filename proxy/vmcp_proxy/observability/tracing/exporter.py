"""Where spans go: a bounded queue and a thread that encodes and sends, each span counted (ADR-0047)."""

import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.observability.otlp.delivery import deliver
from vmcp_proxy.observability.tracing.counts import SpanCounts
from vmcp_proxy.observability.tracing.encoding import SpanEncoder
from vmcp_proxy.observability.tracing.spans import FinishedSpan

MOST_WAITING: Final = 4096
"""Spans that wait for the collector, of some 2 KiB each; what comes beyond is lost and counted."""

MOST_AT_ONCE: Final = 128
"""Spans in one request: encoding more would hold the interpreter, and with it the event loop, for milliseconds."""

DELAY: Final = 1.0
"""Seconds that a span waits for company."""

_SCOPE: Final = "vmcp"


class SpanOutput:
    """Takes finished spans on the event loop, as they are; all that costs or waits happens in a thread of its own.

    Spans are counted when they are taken and when they are through, each number by one thread: what waits is the
    difference.

    Raises:
        ValueError: the CA bundle of the connection holds no usable certificate.
    """

    def __init__(
        self,
        connection: OtlpConnection,
        resource: Mapping[str, str],
        version: str,
        counts: SpanCounts,
        logger: logging.Logger,
    ) -> None:
        self._connection: Final = connection
        self._session: Final = connection.open()
        self._encoder: Final = SpanEncoder(resource, _SCOPE, version)
        self._headers: Final = {"Content-Type": "application/x-protobuf", "User-Agent": f"{_SCOPE}/{version}"}
        self._counts: Final = counts
        self._logger: Final = logger
        self._queue: Final[deque[FinishedSpan]] = deque()
        self._taken = 0
        self._done = 0
        """Spans that are through, one way or the other."""
        self._lost = 0
        """Those since the collector has taken any, while it takes none."""
        self._is_closed = False
        self._awake: Final = threading.Event()
        self._gave_up: Final = threading.Event()
        self._counting: Final = threading.Lock()
        # A daemon: an export in flight cannot be cut off, and the process ends without it.
        self._thread: Final = threading.Thread(target=self._run, name="traces by OTLP", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Spans that are neither sent nor given up."""
        return self._taken - self._done

    def write(self, span: FinishedSpan) -> None:
        """See `Output.write`."""
        if self._is_closed or self._taken - self._done >= MOST_WAITING:
            self._counts.overflowed += 1
            return
        self._taken += 1
        self._queue.append(span)
        if len(self._queue) >= MOST_AT_ONCE and not self._awake.is_set():
            self._awake.set()

    def close(self, timeout: float) -> None:
        """Sends what waits, for at most `timeout` seconds; what is left counts as lost. It blocks."""
        if self._is_closed:
            return
        self._is_closed = True
        self._awake.set()
        self._thread.join(timeout)
        with self._counting:
            # From here on nothing is counted, and nothing tried again: what has not been sent by now is lost.
            self._gave_up.set()
            left = self.waiting
        if left:
            self._counts.lose(left)
            log_event(self._logger, logging.ERROR, "traces cannot be sent at the end, spans are lost", lost=left)

    def _run(self) -> None:
        while not self._is_closed:
            self._awake.wait(DELAY)
            self._awake.clear()
            self._export()
            while len(self._queue) >= MOST_AT_ONCE:
                self._export()
        while self._queue and not self._gave_up.is_set():
            self._export()
        self._session.close()

    def _export(self) -> None:
        spans = [self._queue.popleft() for _ in range(min(MOST_AT_ONCE, len(self._queue)))]
        if not spans:
            return
        problem = ""
        try:
            body = self._encoder.encode(spans)
            url, timeout = self._connection.url("traces"), self._connection.timeout
            if not deliver(self._session, url, body, self._headers, timeout, self._gave_up):
                problem = self._session.problem or "it failed"
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one batch, the next one may be sent
            problem = describe_exception(error)
        with self._counting:
            if not self._gave_up.is_set():
                self._note(len(spans), problem)
            self._done += len(spans)

    def _note(self, count: int, problem: str) -> None:
        """Counts them; the log hears of the first that are lost, and of the end of that."""
        if problem:
            self._counts.lose(count)
            if not self._lost:
                log_event(
                    self._logger,
                    logging.ERROR,
                    "traces cannot be sent, spans are lost",
                    collector=problem,
                    address=self._connection.origin,
                )
            self._lost += count
            return
        rejected = min(_rejected(self._session.answer), count)
        self._counts.send(count - rejected)
        if rejected:
            self._counts.lose(rejected)
        if self._lost:
            log_event(self._logger, logging.WARNING, "traces are sent again", lost=self._lost)
            self._lost = 0


def _rejected(answer: bytes) -> int:
    """How many spans the collector says that it did not take; what cannot be read says nothing."""
    if not answer:
        return 0
    try:
        rejected: int = ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
    except DecodeError:
        return 0
    return max(rejected, 0)
