"""Traces over reloads: the output is kept while the config asks for the same, and flushed when another comes."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.observability.tracing.counts import SpanCounts
from vmcp_proxy.observability.tracing.sampler import Sampler
from vmcp_proxy.observability.tracing.spans import Tracing
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.secret_values import InvalidHeaderError, InvalidSecretError, MissingSecretError
from vmcp_proxy.run.settings import SOFTWARE_VERSION
from vmcp_proxy.run.telemetry.otlp import connect, resource_of

if TYPE_CHECKING:
    from vmcp_proxy.observability.tracing.exporter import SpanOutput

FLUSH_SECONDS: Final = 3.0
"""How long spans that wait may take to leave, when another output takes over or the process ends."""

GRACE_SECONDS: Final = 5.0
"""How long requests that began under the former output may still hand it their spans."""


@dataclass(frozen=True, slots=True)
class _Destination:
    connection: OtlpConnection
    resource: Mapping[str, str]


class LiveTracing:
    """Hands out what traces under a config; `counts` are over all of them."""

    def __init__(self, logger: logging.Logger) -> None:
        self.counts: Final = SpanCounts()
        self._logger: Final = logger
        self._destination: _Destination | None = None
        self._output: SpanOutput | None = None
        self._retired: list[tuple[threading.Timer, SpanOutput]] = []

    def tracing_for(self, loaded: Loaded) -> Tracing | None:
        """What traces under a config; None where tracing is off, or where a Secret that it needs is of no use.

        Without the collector's credentials nothing is sent: the requests themselves go on.
        """
        telemetry = loaded.config.telemetry
        destination = self._wanted(loaded)
        if destination != self._destination:
            self._retire()
            self._destination = destination
            self._output = None if destination is None else self._open(destination)
        if self._output is None or telemetry is None:
            return None
        settings = telemetry.tracing
        return Tracing(Sampler(settings.ratio), frozenset(settings.baggage), self._output)

    def close(self) -> None:
        """Sends what waits, within bounds for all outputs together, and ends; it blocks."""
        output, self._output, self._destination = self._output, None, None
        outputs = [] if output is None else [output]
        for timer, former in self._retired:
            timer.cancel()
            outputs.append(former)
        self._retired.clear()
        closing = [threading.Thread(target=each.close, args=[FLUSH_SECONDS], daemon=True) for each in outputs]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()

    def _wanted(self, loaded: Loaded) -> _Destination | None:
        telemetry = loaded.config.telemetry
        if telemetry is None or telemetry.otlp is None or not telemetry.tracing.enabled:
            return None
        try:
            return _Destination(connect(telemetry.otlp, loaded), resource_of(loaded.config))
        except (MissingSecretError, InvalidSecretError, InvalidHeaderError) as error:
            log_event(self._logger, logging.ERROR, "traces are not sent", problem=str(error))
            return None

    def _open(self, destination: _Destination) -> "SpanOutput | None":
        # Imported where traces are sent: the libraries weigh more than the core.
        from vmcp_proxy.observability.tracing.exporter import SpanOutput  # noqa: PLC0415

        try:
            return SpanOutput(destination.connection, destination.resource, SOFTWARE_VERSION, self.counts, self._logger)
        except ValueError:
            problem = "the collector's CA bundle holds no usable certificate; correct it"
            log_event(self._logger, logging.ERROR, "traces are not sent", problem=problem)
            return None

    def _retire(self) -> None:
        output = self._output
        self._retired = [each for each in self._retired if each[0].is_alive()]
        if output is not None:
            timer = threading.Timer(GRACE_SECONDS, output.close, [FLUSH_SECONDS])
            timer.daemon = True
            timer.name = "close former traces"
            timer.start()
            self._retired.append((timer, output))
