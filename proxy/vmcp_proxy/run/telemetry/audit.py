"""The audit log over reloads: one queue for the life of the process, and the sink that the config asks for."""

import logging
import socket
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from vmcp_api.config import ProxyConfig
from vmcp_api.pod_status import STORE_UNAVAILABLE, StoreReport
from vmcp_api.spec.audit import Audit, AuditFile, AuditSink, Syslog, SyslogTransport
from vmcp_api.spec.references import CERTIFICATE_KEY, PRIVATE_KEY
from vmcp_proxy.http_client import TlsFailed
from vmcp_proxy.http_client.peer import TrustSetting
from vmcp_proxy.http_client.tls import build_context
from vmcp_proxy.observability.audit import EventFilter, encode_loss
from vmcp_proxy.observability.audit.queue import AuditQueue, Line
from vmcp_proxy.observability.audit.sinks.sink import Sink, SinkAwayError
from vmcp_proxy.observability.audit.sinks.streams import FileSink, StreamSink
from vmcp_proxy.observability.audit.sinks.syslog import SyslogFormat, TcpSink, UdpSink
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.observability.masking import Masks
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.secret_values import InvalidHeaderError, InvalidSecretError, MissingSecretError, text_of
from vmcp_proxy.run.telemetry.otlp import connect
from vmcp_proxy.serve.chain.auditing import Auditor, Content
from vmcp_proxy.serve.chain.decision_data import DecisionData
from vmcp_proxy.serve.chain.repeated_lines import RepeatedLines
from vmcp_proxy.serve.chain.sources import parse_networks


@dataclass(frozen=True, slots=True)
class _Server:
    """A syslog server, and what it takes to be let in there."""

    settings: Syslog
    trust: TrustSetting | None


@dataclass(frozen=True, slots=True)
class _Collector:
    """A collector, and what the records there are of."""

    connection: OtlpConnection
    resource: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Lacking:
    """A sink that a Secret is missing for: what is written waits for it."""

    problem: str


_Destination: TypeAlias = AuditFile | _Server | _Collector | _Lacking | None
"""Where lines go, with all that it takes; None is standard output. Equal ones are the same place."""


class AuditOutput:
    """Hands out auditors, and takes their lines to the sink that is in force.

    `must_open` says that a file which cannot be opened is an error; otherwise lines wait for it as for any sink.
    """

    def __init__(self, logger: logging.Logger, *, must_open: bool = True) -> None:
        self._logger: Final = logger
        self._must_open: Final = must_open
        self._queue: AuditQueue | None = None
        self._is_on = False
        self._destination: _Destination = None
        self._component = ""

    @property
    def dropped(self) -> int:
        """Events that were lost since the process began."""
        return 0 if self._queue is None else self._queue.dropped

    @property
    def waiting(self) -> int:
        """Events that have yet to reach their sink."""
        return 0 if self._queue is None else self._queue.waiting

    @property
    def report(self) -> StoreReport | None:
        """How the sink fares, for the status; None while the audit is off."""
        if not self._is_on or self._queue is None:
            return None
        trouble = self._queue.trouble
        return StoreReport(STORE_UNAVAILABLE, f"{_place(self._destination)}{trouble}") if trouble else StoreReport()

    def write(self, line: Line) -> None:
        """Takes one line; also of a request that began under a former config."""
        if self._is_on and self._queue is not None:
            self._queue.write(line)

    def auditor_for(self, loaded: Loaded) -> Auditor | None:
        """The auditor of a config; None where the audit is off.

        Raises:
            OSError: the audit file cannot be opened, and has to be.
        """
        config = loaded.config
        audit = config.config.audit
        if not audit.enabled:
            self._turn_off()
            return None
        networks = parse_networks(config.config.operational.trusted_proxies)
        self._open(_destination(audit, loaded))
        self._component = f"{config.namespace}/{config.name}"
        data = DecisionData.of(config)
        content = _content(audit, loaded)
        has_content = content.of_requests or content.of_answers
        repeated = None if has_content else RepeatedLines(content.secrets, networks)
        return Auditor(self, self._component, EventFilter.of(audit), networks, data, content, repeated)

    def close(self) -> None:
        """Sends what waits, for a bounded time, and ends."""
        if self._queue is not None:
            self._queue.close()

    def _open(self, wanted: _Destination) -> None:
        if self._is_on and wanted == self._destination:
            return
        sink = self._sink(wanted)
        trouble = self._find_trouble(wanted, sink)
        if self._queue is None:
            self._queue = AuditQueue(sink, self._logger, self._loss_line, trouble, _address(wanted))
        else:
            self._queue.switch(sink, trouble, _address(wanted))
        self._is_on, self._destination = True, wanted

    def _find_trouble(self, wanted: _Destination, sink: Sink) -> str:
        """What keeps a sink from taking anything, as far as it is known before the first line."""
        if isinstance(wanted, _Lacking):
            return wanted.problem
        if isinstance(sink, FileSink):
            try:
                sink.open()
            except OSError as error:
                if self._must_open:
                    raise
                return error.strerror or type(error).__name__
        return ""

    def _turn_off(self) -> None:
        if self._is_on and self._queue is not None:
            self._queue.switch(None)
        self._is_on = False

    def _loss_line(self, count: int, since: datetime) -> bytes:
        return encode_loss(self._component, count, since)

    def _sink(self, wanted: _Destination) -> Sink:
        match wanted:
            case None:
                return StreamSink(sys.stdout.fileno())
            case AuditFile():
                return FileSink(Path(wanted.path), self._logger, most_bytes=wanted.max_bytes, keep=wanted.keep)
            case _Server():
                return _syslog_sink(wanted)
            case _Collector():
                # Imported here: who does not use it does not pay for it.
                from vmcp_proxy.observability.audit.sinks.otlp import OtlpSink  # noqa: PLC0415

                return OtlpSink(wanted.connection, wanted.resource)
            case _Lacking():
                log_event(self._logger, logging.ERROR, "audit sink cannot be used; events wait", problem=wanted.problem)
                return _AwaySink(wanted.problem)


class _AwaySink:
    """Takes nothing until another takes its place."""

    def __init__(self, problem: str) -> None:
        self._problem: Final = problem

    def send(self, lines: Sequence[bytes]) -> int:
        """See `Sink`."""
        del lines
        raise SinkAwayError(self._problem)

    def close(self) -> None:
        """See `Sink`."""


def _place(destination: _Destination) -> str:
    """What cannot be reached, as the beginning of a sentence; the rest is nobody's business at an admin port."""
    return f"{destination.path}: " if isinstance(destination, AuditFile) else ""


def _address(destination: _Destination) -> str:
    """Where it is, for the log."""
    match destination:
        case AuditFile():
            return destination.path
        case _Server():
            return destination.settings.address
        case _Collector():
            return destination.connection.origin
    return ""


def _destination(audit: Audit, loaded: Loaded) -> _Destination:
    try:
        if audit.sink is AuditSink.FILE:
            return audit.output
        if audit.sink is AuditSink.SYSLOG and audit.syslog is not None:
            return _Server(audit.syslog, _trust(audit.syslog, loaded))
        if audit.sink is AuditSink.OTLP and audit.otlp is not None:
            return _Collector(connect(audit.otlp, loaded), _resource(loaded.config))
    except (MissingSecretError, InvalidSecretError, InvalidHeaderError) as error:
        return _Lacking(str(error))
    return None


def _trust(syslog: Syslog, loaded: Loaded) -> TrustSetting | None:
    if syslog.transport is not SyslogTransport.TLS:
        return None
    if (ref := syslog.client_certificate_ref) is None:
        return TrustSetting(syslog.ca_bundle)
    pair = (text_of(loaded, ref.name, CERTIFICATE_KEY), text_of(loaded, ref.name, PRIVATE_KEY))
    return TrustSetting(syslog.ca_bundle, *pair)


def _resource(config: ProxyConfig) -> dict[str, str]:
    """As the traces and metrics of this process say who they are of."""
    telemetry = config.telemetry
    name = telemetry.service_name if telemetry is not None else None
    more = telemetry.resource_attributes if telemetry is not None else {}
    own = {
        "service.name": name or config.name,
        "service.namespace": config.namespace,
        "service.instance.id": socket.gethostname(),
    }
    return {**own, **more}


def _syslog_sink(server: _Server) -> Sink:
    settings = server.settings
    host, _, port = settings.address.rpartition(":")
    address = (host.strip("[]"), int(port))
    form = SyslogFormat.of(settings.facility.number, settings.app_name)
    if settings.transport is SyslogTransport.UDP:
        return UdpSink(address, form)
    return TcpSink(address, form, None if server.trust is None else partial(_context, server.trust))


def _context(trust: TrustSetting) -> ssl.SSLContext:
    try:
        return build_context(trust)
    except TlsFailed as error:
        # Lines wait until it is corrected.
        raise SinkAwayError(error.reason) from None


def _content(audit: Audit, loaded: Loaded) -> Content:
    secrets = Masks(value.reveal().decode("utf-8", "replace") for value in loaded.secrets.values())
    return Content(audit.include_request_data, audit.include_response_data, audit.max_data_size, secrets)
