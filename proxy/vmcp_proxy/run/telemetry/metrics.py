"""Metrics by OTLP over reloads: whom they are sent to, how often, and as whose."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.observability.metrics import Metrics, families
from vmcp_proxy.observability.metrics.output import FAILED, SENT, SKIPPED, MetricsOutput
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.secret_values import InvalidHeaderError, InvalidSecretError, MissingSecretError
from vmcp_proxy.run.settings import SOFTWARE_VERSION
from vmcp_proxy.run.telemetry.otlp import connect, resource_of

FLUSH_SECONDS: Final = 3.0
"""How long the last numbers may take to leave when the process ends."""


@dataclass(frozen=True, slots=True)
class _Destination:
    connection: OtlpConnection
    resource: Mapping[str, str]
    interval: float


class MetricsExport:
    """Sends a snapshot from time to time where the config says so; elsewhere none is taken, and nothing imported."""

    def __init__(self, metrics: Metrics, logger: logging.Logger) -> None:
        self._metrics: Final = metrics
        self._logger: Final = logger
        self._exports: Final[Counter[str]] = Counter(dict.fromkeys((SENT, FAILED, SKIPPED), 0))
        self._destination: _Destination | None = None
        self._output: MetricsOutput | None = None
        self._changed: Final = asyncio.Event()
        metrics.read_from(families.METRICS_EXPORTS, lambda: dict(self._exports))

    def configure(self, loaded: Loaded) -> None:
        """Follows another config; without the collector's credentials nothing is sent, and the log says so."""
        destination = self._wanted(loaded)
        if destination == self._destination:
            return
        self._destination = destination
        if self._output is not None:
            # What the former collector lacks is in the next numbers of the new one.
            self._output.end()
        self._output = None
        if destination is not None:
            self._output = MetricsOutput(
                destination.connection, destination.resource, SOFTWARE_VERSION, self._exports, self._logger
            )
        self._changed.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            self._changed.clear()
            interval = None if self._destination is None else self._destination.interval
            try:
                async with asyncio.timeout(interval):
                    await self._changed.wait()
            except TimeoutError:
                self._offer()

    def end(self) -> None:
        """Has the last numbers be sent, and nothing more; never blocks."""
        if self._output is not None:
            self._offer()
            self._output.end()

    def join(self) -> None:
        """Waits until they are, within bounds; it blocks."""
        if self._output is not None and not self._output.join(FLUSH_SECONDS):
            problem = f"the collector has not taken them in {FLUSH_SECONDS:g} s"
            log_event(self._logger, logging.ERROR, "the last metrics are lost", problem=problem)

    def _offer(self) -> None:
        if self._output is not None:
            self._output.offer(self._metrics.snapshot())

    def _wanted(self, loaded: Loaded) -> _Destination | None:
        telemetry = loaded.config.telemetry
        if telemetry is None or telemetry.otlp is None or not telemetry.metrics.enabled:
            return None
        try:
            connection = connect(telemetry.otlp, loaded)
        except (MissingSecretError, InvalidSecretError, InvalidHeaderError) as error:
            log_event(self._logger, logging.ERROR, "metrics are not sent", problem=str(error))
            return None
        return _Destination(connection, resource_of(loaded.config), telemetry.metrics.interval)
