"""Spans in the messages of OTLP; imported where traces are sent alone, for its weight.

A message of protobuf is its fields one after the other, so that parts that were encoded before may be put in as they
are (Protocol Buffers, "Encoding"). Nearly all that spans say is said again and again; what is a span's own the library
encodes.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, SpanFlags, Status

from vmcp_proxy.observability.tracing.spans import Event, FinishedSpan

Value: TypeAlias = str | int | tuple[str, ...]

_MOST_KNOWN: Final = 1024
"""Attributes that are kept as they are encoded, of at most a few hundred bytes each."""

_SPAN_ATTRIBUTE: Final = b"\x4a"
_SCOPE_SPAN: Final = b"\x12"
_RESOURCE_SCOPE: Final = b"\x12"
_REQUEST_RESOURCE: Final = b"\x0a"
"""Tags of fields that hold messages: `Span.attributes`, `ScopeSpans.spans`, `ResourceSpans.scope_spans`,
`ExportTraceServiceRequest.resource_spans`."""

_KINDS: Final = {
    "server": Span.SPAN_KIND_SERVER,
    "client": Span.SPAN_KIND_CLIENT,
    "internal": Span.SPAN_KIND_INTERNAL,
}
_SEVEN_BITS: Final = 0x7F
_MORE: Final = 0x80
_OURS: Final = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE: Final = _OURS | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


class SpanEncoder:
    """Encodes requests to a collector; `resource` says who the spans are of, the scope what has made them."""

    def __init__(self, resource: Mapping[str, str], scope: str, version: str) -> None:
        known = Resource(attributes=[KeyValue(key=name, value=_value(value)) for name, value in resource.items()])
        self._resource: Final = ResourceSpans(resource=known).SerializeToString()
        self._scope: Final = ScopeSpans(scope=InstrumentationScope(name=scope, version=version)).SerializeToString()

    def encode(self, spans: Iterable[FinishedSpan]) -> bytes:
        """One `ExportTraceServiceRequest` with these spans."""
        scope = self._scope + b"".join([_field(_SCOPE_SPAN, _span(each)) for each in spans])
        return _field(_REQUEST_RESOURCE, self._resource + _field(_RESOURCE_SCOPE, scope))


def _span(span: FinishedSpan) -> bytes:
    link, parent = span.link, span.parent
    own = Span(
        trace_id=bytes.fromhex(span.trace),
        span_id=bytes.fromhex(span.span),
        trace_state=span.state,
        parent_span_id=bytes.fromhex(parent),
        name=_text(span.name),
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        flags=_REMOTE if parent and span.is_parent_remote else _OURS,
    )
    if span.events:
        own.events.extend([_event(each) for each in span.events])
    if link is not None:
        own.links.add(trace_id=bytes.fromhex(link.trace), span_id=bytes.fromhex(link.span), flags=_REMOTE)
    if span.error:
        own.status.code = Status.STATUS_CODE_ERROR
    parts = [own.SerializeToString(), *[_attribute(name, value) for name, value in span.attributes.items()]]
    if span.error:
        parts.append(_attribute("error.type", span.error))
    return b"".join(parts)


def _event(event: Event) -> Span.Event:
    said = [KeyValue(key=name, value=_value(value)) for name, value in event.attributes.items()]
    return Span.Event(name=event.name, time_unix_nano=event.time, attributes=said)


@lru_cache(maxsize=_MOST_KNOWN, typed=True)
def _attribute(name: str, value: Value) -> bytes:
    return _field(_SPAN_ATTRIBUTE, KeyValue(key=name, value=_value(value)).SerializeToString())


def _field(tag: bytes, content: bytes) -> bytes:
    """A field that holds a message: its tag, its length in groups of seven bits, the least first, and its bytes."""
    length, groups = len(content), []
    while length > _SEVEN_BITS:
        groups.append(length & _SEVEN_BITS | _MORE)
        length >>= 7
    groups.append(length)
    return b"%b%b%b" % (tag, bytes(groups), content)


def _value(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=_text(value))
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(array_value=ArrayValue(values=[_value(each) for each in value]))


def _text(text: str) -> str:
    """A text that can be encoded: a name may come with half of a surrogate pair, which must cost no other span."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
