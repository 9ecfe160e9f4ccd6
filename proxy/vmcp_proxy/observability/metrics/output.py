"""Sends snapshots to a collector, in a thread of its own: nobody waits for it, whatever the collector does."""

import contextlib
import logging
import queue
import threading
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from vmcp_proxy.observability.logs import describe_exception, log_event
from vmcp_proxy.observability.metrics.snapshot import Snapshot
from vmcp_proxy.observability.otlp.connection import OtlpConnection

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    from vmcp_proxy.observability.otlp.session import OtlpSession

SENT: Final = "sent"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
"""The one before was still on its way; the next one has its numbers, for all are cumulative."""


class MetricsOutput:
    """One collector; `exports` counts what became of snapshots, over every reload.

    The SDK's exporter encodes, sends, and tries again within the connection's timeout. The library is imported in the
    thread: it takes some 0.5 s.
    """

    def __init__(
        self,
        connection: OtlpConnection,
        resource: Mapping[str, str],
        version: str,
        exports: "Counter[str]",
        logger: logging.Logger,
    ) -> None:
        self._connection: Final = connection
        self._resource: Final = resource
        self._version: Final = version
        self._exports: Final = exports
        self._logger: Final = logger
        self._waiting: Final[queue.Queue[Snapshot | None]] = queue.Queue(maxsize=1)
        self._is_ending: Final = threading.Event()
        self._has_failed = False
        # A daemon: an export in flight cannot be cut off, and the process ends without it.
        self._thread: Final = threading.Thread(target=self._run, name="metrics by OTLP", daemon=True)
        self._thread.start()

    def offer(self, snapshot: Snapshot) -> None:
        """Has it sent, unless one waits already; never blocks."""
        try:
            self._waiting.put_nowait(snapshot)
        except queue.Full:
            self._exports[SKIPPED] += 1

    def end(self) -> None:
        """Has what waits be sent, and nothing more; never blocks."""
        self._is_ending.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def join(self, timeout: float) -> bool:
        """Waits for the end, at most so many seconds, and says whether it came; it blocks."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

            session = self._connection.open()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the library or the CA, calls go on
            self._note(FAILED, describe_exception(error))
            return
        exporter = OTLPMetricExporter(
            endpoint=self._connection.url("metrics"), session=session, timeout=self._connection.timeout
        )
        while not (self._is_ending.is_set() and self._waiting.empty()):
            snapshot = self._waiting.get()
            if snapshot is not None:
                self._send(exporter, session, snapshot)
        exporter.shutdown()

    def _send(self, exporter: "OTLPMetricExporter", session: "OtlpSession", snapshot: Snapshot) -> None:
        from opentelemetry.sdk.metrics.export import MetricExportResult  # noqa: PLC0415

        from vmcp_proxy.observability.metrics.otlp import rejected_points, to_data  # noqa: PLC0415

        try:
            result = exporter.export(to_data(snapshot, self._resource, self._version))
        except Exception as error:  # noqa: BLE001 - as above
            self._note(FAILED, describe_exception(error))
            return
        if result is not MetricExportResult.SUCCESS:
            self._note(FAILED, session.problem or "it failed")
        elif rejected := rejected_points(session.answer):
            self._note(FAILED, f"it has refused {rejected} data points")
        else:
            self._note(SENT, "")

    def _note(self, outcome: str, problem: str) -> None:
        """Counts it; the log hears of the first failure, and of the end of them."""
        self._exports[outcome] += 1
        if (outcome == FAILED) is self._has_failed:
            return
        self._has_failed = not self._has_failed
        if self._has_failed:
            address = self._connection.origin
            log_event(self._logger, logging.ERROR, "metrics cannot be sent", collector=problem, address=address)
        else:
            log_event(self._logger, logging.WARNING, "metrics are sent again")
