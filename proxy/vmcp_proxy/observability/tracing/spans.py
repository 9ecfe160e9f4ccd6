"""The trace of one request: not recorded, it only hands the context on; recorded, it makes spans.

None of these is a context variable: a trace rides in the request's context and in the operation (ADR-0047).
"""

import random
import time
from binascii import hexlify
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias

import msgspec

from vmcp_proxy.observability.tracing.propagation import (
    NOTHING,
    SAMPLED,
    Headers,
    Incoming,
    Outgoing,
    TraceParent,
    join,
    read_headers,
    read_meta,
    write,
)
from vmcp_proxy.observability.tracing.sampler import Sampler
from vmcp_proxy.protocol.jsonrpc import Raw

Attributes: TypeAlias = dict[str, str | int | tuple[str, ...]]

_random: Final = random.Random().getrandbits  # noqa: S311 - ids are no secrets, and nobody else may seed this one
_RANDOM: Final = 2
_BITS: Final = 192
"""What is drawn at once: the id of a span and, below it, that of a trace."""
_BYTES: Final = _BITS // 8
_SPAN_DIGITS: Final = 16
_TRACE: Final = (1 << 128) - 1
_LOW: Final = (1 << 64) - 1
"""The part of a trace's id that sampling goes by."""
_NO_META: Final = msgspec.Raw(b"{}")
_VALUE: Final = slice(len('{"traceparent":"'), -len('"}'))
"""Where the value stands in an object that has nothing but a `traceparent`."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """Something at a time (nanoseconds of the epoch) within a span."""

    name: str
    time: int
    attributes: Attributes


class FinishedSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span that is over; times in nanoseconds of the epoch, `error` its `error.type`, empty where there is none."""

    name: str
    kind: Literal["server", "client", "internal"]
    trace: str
    span: str
    flags: int
    parent: str
    is_parent_remote: bool
    state: str
    attributes: Attributes
    events: tuple[Event, ...]
    link: TraceParent | None
    error: str
    start: int
    end: int


class Output(Protocol):
    """Takes spans that are over, and never holds anybody up."""

    def write(self, span: FinishedSpan) -> None:
        """Takes one; must not raise."""


class PassedTrace(msgspec.Struct, gc=False):
    """A request whose trace is not recorded: backends hear so, lest they begin one of their own.

    It is the span of each of its requests to backends too, for it keeps nothing of the single one. `numbers` are the
    ids of span and trace where no trace came with the request (`Tracing.begin`); `headers` and `meta` are there once it
    was `prepared`.
    """

    trace_id: ClassVar[str] = ""
    """See `RecordedTrace.trace_id`."""

    incoming: Incoming
    numbers: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """See `RequestSpan.headers`."""
    meta: msgspec.Raw = _NO_META
    """The object that goes into `_meta`."""

    def prepared(self) -> "PassedTrace":
        """The same with what goes with its requests to backends, which is written for the first of them."""
        if self.headers:
            return self
        incoming = self.incoming
        if incoming.parent is None:
            digits = hexlify(self.numbers.to_bytes(_BYTES))
            meta = b'{"traceparent":"00-%b-%b-00"}' % (digits[_SPAN_DIGITS:], digits[:_SPAN_DIGITS])
            if incoming is NOTHING:
                # As `write`, for nearly all requests.
                self.headers, self.meta = ((b"traceparent", meta[_VALUE]),), msgspec.Raw(meta)
                return self
            parent = meta[_VALUE]
        else:
            parent = incoming.parent.text.encode()
        out = write(parent, incoming.state, incoming.baggage)
        self.headers, self.meta = out.headers, out.meta
        return self

    def call(self, name: str, attributes: Attributes) -> "PassedTrace":
        """See `RecordedTrace.call`."""
        del name, attributes
        return self.prepared()

    def inner(self, name: str, attributes: Attributes) -> "PassedTrace":
        """See `RecordedTrace.inner`."""
        del name, attributes
        return self

    def resent(self, reason: str) -> None:
        """See `RequestSpan.resent`."""

    def opening(self) -> "PassedTrace":
        """See `RequestSpan.opening`."""
        return self

    def end(self, error: str, attributes: Attributes | None = None) -> None:
        """See `RequestSpan.end`."""


class RecordedTrace:
    """A request whose trace is recorded; it is the server span itself, `started` in nanoseconds of the epoch.

    `failure` is the error of the last request to a backend, for a server span whose answer does not tell.
    """

    __slots__ = ("_flags", "_incoming", "_output", "failure", "span_id", "started", "trace_id")

    def __init__(self, incoming: Incoming, numbers: int, output: Output, started: int) -> None:
        parent = incoming.parent
        self._incoming: Final = incoming
        self._output: Final = output
        self._flags: Final = SAMPLED | (_RANDOM if parent is None else parent.flags & _RANDOM)
        self.trace_id: Final = f"{numbers & _TRACE:032x}" if parent is None else parent.trace
        """In hex; empty where nothing is recorded."""
        self.span_id: Final = new_span_id()
        self.started: Final = started
        self.failure = ""

    def call(self, name: str, attributes: Attributes) -> "ClientSpan":
        """The span of one request to a backend."""
        return ClientSpan(self, self.span_id, name, attributes)

    def inner(self, name: str, attributes: Attributes) -> "InternalSpan":
        """The span of work of the proxy's own, with spans of requests below it."""
        return InternalSpan(self, self.span_id, name, attributes)

    def end(self, name: str, attributes: Attributes, error: str) -> None:
        """Hands the server span on."""
        incoming = self._incoming
        self.finish(
            name=name,
            kind="server",
            span=self.span_id,
            parent="" if incoming.parent is None else incoming.parent.span,
            is_parent_remote=incoming.parent is not None,
            attributes=attributes,
            events=(),
            link=incoming.link,
            error=error,
            start=self.started,
        )

    def outgoing(self, span_id: str) -> Outgoing:
        """The context for what a span of this trace sends."""
        incoming = self._incoming
        parent = f"00-{self.trace_id}-{span_id}-{self._flags:02x}"
        return write(parent.encode(), incoming.state, incoming.baggage)

    def finish(self, **parts: Any) -> None:
        """Hands one of its spans on."""
        end = time.time_ns()
        state = self._incoming.state
        self._output.write(
            FinishedSpan(trace=self.trace_id, flags=self._flags, state=state, end=max(end, parts["start"]), **parts)
        )


class ClientSpan:
    """One request to a backend, or the handshake that it waits for; the same however often it is sent."""

    __slots__ = ("_attributes", "_events", "_name", "_out", "_parent", "_started", "_trace", "span_id")

    def __init__(self, trace: RecordedTrace, parent: str, name: str, attributes: Attributes) -> None:
        self._trace: Final = trace
        self._parent: Final = parent
        self._name: Final = name
        self._attributes: Final = attributes
        self.span_id: Final = new_span_id()
        self._out: Final = trace.outgoing(self.span_id)
        self._started: Final = time.time_ns()
        self._events: tuple[Event, ...] = ()

    @property
    def trace_id(self) -> str:
        """See `RecordedTrace.trace_id`."""
        return self._trace.trace_id

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """See `RequestSpan.headers`."""
        return self._out.headers

    @property
    def meta(self) -> msgspec.Raw:
        """The object that goes into `_meta`."""
        return self._out.meta

    def resent(self, reason: str) -> None:
        """See `RequestSpan.resent`."""
        self._events += (Event("vmcp.request.resent", time.time_ns(), {"reason": reason}),)

    def opening(self) -> "ClientSpan":
        """See `RequestSpan.opening`."""
        kept = {name: value for name, value in self._attributes.items() if not name.startswith(("gen_ai.", "mcp."))}
        return ClientSpan(self._trace, self.span_id, "initialize", {**kept, "mcp.method.name": "initialize"})

    def end(self, error: str, attributes: Attributes | None = None) -> None:
        """See `RequestSpan.end`."""
        if error:
            self._trace.failure = error
        self._trace.finish(
            name=self._name,
            kind="client",
            span=self.span_id,
            parent=self._parent,
            is_parent_remote=False,
            attributes=self._attributes if attributes is None else {**self._attributes, **attributes},
            events=self._events,
            link=None,
            error=error,
            start=self._started,
        )


class InternalSpan:
    """Work of the proxy's own within a request: what it asks of backends is below it."""

    __slots__ = ("_attributes", "_name", "_parent", "_started", "_trace", "span_id")

    def __init__(self, trace: RecordedTrace, parent: str, name: str, attributes: Attributes) -> None:
        self._trace: Final = trace
        self._parent: Final = parent
        self._name: Final = name
        self._attributes: Final = attributes
        self.span_id: Final = new_span_id()
        self._started: Final = time.time_ns()

    @property
    def trace_id(self) -> str:
        """See `RecordedTrace.trace_id`."""
        return self._trace.trace_id

    def call(self, name: str, attributes: Attributes) -> ClientSpan:
        """See `RecordedTrace.call`."""
        return ClientSpan(self._trace, self.span_id, name, attributes)

    def inner(self, name: str, attributes: Attributes) -> "InternalSpan":
        """See `RecordedTrace.inner`."""
        return InternalSpan(self._trace, self.span_id, name, attributes)

    def end(self, error: str, attributes: Attributes | None = None) -> None:
        """Hands it on; `error` is empty, or a short word for what went wrong."""
        self._trace.finish(
            name=self._name,
            kind="internal",
            span=self.span_id,
            parent=self._parent,
            is_parent_remote=False,
            attributes=self._attributes if attributes is None else {**self._attributes, **attributes},
            events=(),
            link=None,
            error=error,
            start=self._started,
        )


RequestTrace: TypeAlias = PassedTrace | RecordedTrace
"""The trace of a request as it begins."""

Trace: TypeAlias = RequestTrace | InternalSpan
"""What spans of requests to backends are made of."""


def new_span_id() -> str:
    """16 hex digits, not all zero."""
    return f"{_random(64) or 1:016x}"


class Tracing:
    """Begins traces; `baggage` are the names that may be forwarded."""

    __slots__ = ("_baggage", "_output", "_takes", "reads_baggage")

    def __init__(self, sampler: Sampler, baggage: frozenset[str], output: Output) -> None:
        self._takes: Final = sampler.takes
        self._baggage: Final = baggage
        self._output: Final = output
        self.reads_baggage: Final = bool(baggage)
        """Whether header fields are to be looked at although there is no `traceparent`."""

    def begin_here(self, began: float) -> RequestTrace:
        """The trace of a request that came with none, and began at `began`, by the clock of `time.perf_counter`."""
        numbers = _random(_BITS)
        # Decided before anything is made that only a recorded trace needs.
        if self._takes(numbers & _LOW):
            return self._recorded(NOTHING, numbers, began)
        return PassedTrace(NOTHING, numbers)

    def begin(self, fields: Headers, meta: Raw | None, began: float, *, has_parent: bool) -> RequestTrace:
        """The same for a request that may have come with one.

        `has_parent` says whether there is a `traceparent` among the header fields, which are not looked at else.
        """
        incoming = NOTHING
        if has_parent or self.reads_baggage:
            incoming = read_headers(fields, self._baggage)
        if meta is not None:
            incoming = join(incoming, read_meta(meta, self._baggage))
        parent, numbers = incoming.parent, _random(_BITS)
        if not (self._takes(numbers & _LOW) if parent is None else parent.is_sampled):
            return PassedTrace(incoming, numbers)
        return self._recorded(incoming, numbers, began)

    def _recorded(self, incoming: Incoming, numbers: int, began: float) -> RecordedTrace:
        age = time.perf_counter() - began
        return RecordedTrace(incoming, numbers, self._output, time.time_ns() - round(age * 1e9))
