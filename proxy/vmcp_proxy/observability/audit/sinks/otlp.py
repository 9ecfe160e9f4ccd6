"""Lines to a collector as log records: OTLP over HTTP with protobuf; imported where it is configured alone."""

import gzip
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import requests
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from vmcp_proxy.observability.audit.event import Outcome, Target, without_content
from vmcp_proxy.observability.audit.sinks.sink import SinkAwayError
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.observability.otlp.delivery import pause_of
from vmcp_proxy.observability.otlp.session import OtlpSession

_SCOPE: Final = "vmcp.audit"
_SEVERITY: Final = {
    Outcome.SUCCESS: (SeverityNumber.SEVERITY_NUMBER_INFO, "INFO"),
    Outcome.DENIED: (SeverityNumber.SEVERITY_NUMBER_WARN, "WARN"),
    Outcome.FAILURE: (SeverityNumber.SEVERITY_NUMBER_WARN, "WARN"),
    Outcome.APPLICATION_ERROR: (SeverityNumber.SEVERITY_NUMBER_ERROR, "ERROR"),
    Outcome.ERROR: (SeverityNumber.SEVERITY_NUMBER_ERROR, "ERROR"),
}
_TOO_LARGE: Final = 413
_UNREADABLE: Final = frozenset({400, 413, 415, 422})
"""Statuses by which a collector says that it will never take these records; all others may pass."""

_LONGEST_TEXT: Final = 2048
"""Characters of an attribute; the body has all of it."""


class _Line(msgspec.Struct):
    time: datetime
    id: str = ""
    type: str = ""
    outcome: Outcome = Outcome.SUCCESS
    target: Target | None = None
    backend: str = ""
    component: str = ""
    trace_id: str = ""


_decode: Final = msgspec.json.Decoder(_Line).decode


class OtlpSink:
    """Sends batches of records with one session; `resource` says who they are of."""

    def __init__(self, connection: OtlpConnection, resource: Mapping[str, str]) -> None:
        self._connection: Final = connection
        self._resource: Final = Resource(attributes=[_attribute(name, value) for name, value in resource.items()])
        self._session: OtlpSession | None = None

    def send(self, lines: Sequence[bytes]) -> int:
        """See `Sink`."""
        status = self._post(lines)
        if status < 300:  # noqa: PLR2004 - the 2xx class of RFC 9110
            return min(self._rejected(), len(lines))
        if status == _TOO_LARGE and len(lines) > 1:
            return self._send_halves(lines)
        if status == _TOO_LARGE and (shorter := without_content(lines[0])) is not None:
            # Else whoever sends much would stand in no log.
            return self.send((shorter,))
        return len(lines)

    def close(self) -> None:
        """See `Sink`."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _send_halves(self, lines: Sequence[bytes]) -> int:
        half = len(lines) // 2
        refused = self.send(lines[:half])
        try:
            return refused + self.send(lines[half:])
        except SinkAwayError as away:
            raise SinkAwayError(
                away.reason, sent=half + away.sent, refused=refused + away.refused, retry_after=away.retry_after
            ) from None

    def _post(self, lines: Sequence[bytes]) -> int:
        """The status of the answer.

        Raises:
            SinkAwayError: there is none, or one that another attempt may change.
        """
        session = self._opened()
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        body = gzip.compress(self._request(lines).SerializeToString(), 1)
        try:
            answer = session.post(
                self._connection.url("logs"),
                data=body,
                headers=headers,
                timeout=self._connection.timeout,
                allow_redirects=False,
            )
        except requests.RequestException:
            raise SinkAwayError(session.problem) from None
        if answer.ok or answer.status_code in _UNREADABLE:
            return answer.status_code
        raise SinkAwayError(session.problem, retry_after=pause_of(answer.headers.get("Retry-After")))

    def _opened(self) -> OtlpSession:
        if self._session is None:
            try:
                self._session = self._connection.open()
            except (OSError, ValueError):
                raise SinkAwayError("the CA bundle holds no usable PEM certificate") from None
        return self._session

    def _rejected(self) -> int:
        """How many records the collector says that it has thrown away.

        Raises:
            SinkAwayError: what it says cannot be read, so that nobody knows whether it is a collector.
        """
        answer = b"" if self._session is None else self._session.answer
        try:
            if answer.lstrip().startswith(b"{"):
                found = json_format.Parse(answer, ExportLogsServiceResponse(), ignore_unknown_fields=True)
            else:
                found = ExportLogsServiceResponse.FromString(answer)
        except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError):
            raise SinkAwayError("its answer cannot be read; check the URL") from None
        return max(int(found.partial_success.rejected_log_records), 0)

    def _request(self, lines: Sequence[bytes]) -> ExportLogsServiceRequest:
        now = time.time_ns()
        scope = ScopeLogs(scope=InstrumentationScope(name=_SCOPE), log_records=[_record(line, now) for line in lines])
        return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=self._resource, scope_logs=[scope])])


def _record(line: bytes, now: int) -> LogRecord:
    found = _decode(line)
    number, text = _SEVERITY[found.outcome]
    attributes = {
        "vmcp.audit.id": found.id,
        "vmcp.audit.outcome": found.outcome.value,
        "vmcp.component": found.component,
        "vmcp.backend": found.backend,
        "mcp.method.name": "" if found.target is None else found.target.method,
        "vmcp.target": "" if found.target is None else found.target.name,
    }
    return LogRecord(
        time_unix_nano=_nanoseconds(found.time),
        observed_time_unix_nano=now,
        severity_number=number,
        severity_text=text,
        event_name=found.type,
        body=AnyValue(string_value=line.decode("utf-8", "replace").rstrip("\n")),
        trace_id=bytes.fromhex(found.trace_id),
        attributes=[_attribute(name, value[:_LONGEST_TEXT]) for name, value in attributes.items() if value],
    )


def _attribute(name: str, value: str) -> KeyValue:
    return KeyValue(key=name, value=AnyValue(string_value=value))


def _nanoseconds(moment: datetime) -> int:
    passed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + passed.microseconds * 1000
