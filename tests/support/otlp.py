"""A collector for tests: takes OTLP over HTTP on a real socket, decodes it, and misbehaves as it is told."""

import contextlib
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.raw_client import eventually
from tests.support.raw_server import Asked, RawServer

PROTOBUF = "application/x-protobuf"
KINDS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


async def accept(asked: Asked) -> None:
    """What a collector answers that has taken everything."""
    await asked.status(200, b"", PROTOBUF)


def answers(status: int, body: bytes = b"", **headers: str) -> Callable[[Asked], Awaitable[None]]:
    """A collector that always answers this."""

    async def act(asked: Asked) -> None:
        await asked.status(status, body, **headers)

    return act


def decoded(asked: Asked) -> tuple[bytes, Any]:
    """The body of a request as it was before it was compressed, and what it says."""
    request = KINDS[asked.target.removeprefix("/base")]()
    body = gzip.decompress(asked.body) if asked.headers.get("content-encoding") == b"gzip" else asked.body
    request.ParseFromString(body)
    return body, request


def records_in(request: Any) -> list[Any]:
    """The log records of one request, in their order."""
    scopes = [scope for group in request.resource_logs for scope in group.scope_logs]
    return [record for scope in scopes for record in scope.log_records]


@dataclass(frozen=True)
class Spanned:
    """One span in plain values; ids in hex, `parent` empty for a root."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    status: str
    message: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[tuple[str, str]]
    resource: dict[str, Any]
    scope: str
    seconds: float
    raw: Any = field(repr=False)


@dataclass
class OtlpReceiver:
    """`accepted` has what was taken, decoded, in its order; `act` answers, and what it refuses is not taken.

    `texts` are the requests as text, for a search for what must not stand there.
    """

    act: Callable[[Asked], Awaitable[None]] = accept
    server: RawServer = field(init=False)
    context: ssl.SSLContext | None = None
    accepted: list[tuple[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = RawServer(self._handle, context=self.context)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["OtlpReceiver"]:
        """Listens while the block runs; another time on the same port."""
        async with self.server.running():
            yield self

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> dict[str, Any]:
        """The config of this collector (`OtlpEndpoint`)."""
        return {"endpoint": self.url, "insecure": self.context is None}

    @property
    def asked(self) -> list[Asked]:
        return self.server.asked

    @property
    def spans(self) -> list[Spanned]:
        return [each for path, request in self.accepted if path == "/v1/traces" for each in _spans_in(request)]

    @property
    def metrics(self) -> list[Any]:
        return [request for path, request in self.accepted if path == "/v1/metrics"]

    @property
    def logs(self) -> list[Any]:
        return [request for path, request in self.accepted if path == "/v1/logs"]

    @property
    def records(self) -> list[Any]:
        """The log records, in their order."""
        return [record for request in self.logs for record in records_in(request)]

    async def having(self, count: int) -> list[Spanned]:
        """The spans, once there are so many."""
        await eventually(lambda: len(self.spans) >= count)
        return self.spans

    async def _handle(self, asked: Asked) -> None:
        assert asked.verb == "POST"
        assert asked.headers["content-type"] == PROTOBUF.encode()
        body, request = decoded(asked)
        self.texts.append(f"{request} {body.decode('latin-1')}")
        answered: list[bytes] = []
        write = asked.write

        async def note(data: bytes) -> None:
            answered.append(data)
            await write(data)

        asked.write = note
        await self.act(asked)
        if b"".join(answered).startswith(b"HTTP/1.1 2"):
            self.accepted.append((asked.target.removeprefix("/base"), request))


def _spans_in(request: Any) -> Iterator[Spanned]:
    for group in request.resource_spans:
        resource = attributes_of(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Spanned(
                    name=span.name,
                    kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    state=span.trace_state,
                    status=span.status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
                    message=span.status.message,
                    attributes=attributes_of(span.attributes),
                    events=[(each.name, attributes_of(each.attributes)) for each in span.events],
                    links=[(each.trace_id.hex(), each.span_id.hex()) for each in span.links],
                    resource=resource,
                    scope=scope.scope.name,
                    seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    raw=span,
                )


def attributes_of(pairs: Any) -> dict[str, Any]:
    """Attributes as plain values, whatever record they belong to."""
    return {pair.key: _value_of(pair.value) for pair in pairs}


def _value_of(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value_of(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return attributes_of(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)
