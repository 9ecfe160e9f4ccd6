"""One HTTP request on its way through the chain."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from vmcp_proxy.auth.decision import DecisionRecord
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, AllowList, HeaderSnapshot
from vmcp_proxy.observability.audit import Outcome, Reason, outcome_of_status
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.observability.tracing.spans import RecordedTrace, Trace
from vmcp_proxy.protocol.jsonrpc import Answer, Batch, Notification, Raw, Request, Response, encode_error, size_of
from vmcp_proxy.protocol.methods import NO_REFERENCE, Reference, read_reference
from vmcp_proxy.protocol.modern.eras import claims_modern
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.sse import Pieces
from vmcp_proxy.protocol.versions import SESSION_HEADER
from vmcp_proxy.serve.http import direct_answers
from vmcp_proxy.serve.http.departure import TellsDeparture
from vmcp_proxy.serve.http.head import shortened
from vmcp_proxy.serve.http.repeated import SAME_HEAD, RepeatedHead
from vmcp_proxy.serve.http.unread import SHORT_BYTES
from vmcp_proxy.serve.rejections import CRASHED, Cut, Rejection

if TYPE_CHECKING:
    from vmcp_proxy.core.virtual import WorkflowEvent

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

JSON: Final = b"application/json"
EVENT_STREAM: Final = b"text/event-stream"
_AT_ONCE: Final = ((b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no"))
_STREAM_HEADERS: Final = ((b"content-type", EVENT_STREAM), *_AT_ONCE)
_OK: Final = 200
_NO_CONTENT: Final = 204


class RequestContext:
    """What the layers and the dispatch know of one request; it lives as long as the request.

    Layers fill it from the outside in: `identity` (authentication), `body`, `message`, `rpc_method` and, for a
    batch, `each`, which serves one message of it (parsing). The dispatch fills `session_ref` (first 8 hex digits of
    the digest, never the id), `backend`, `decision` and `outcome`, which audit and telemetry read on the way out.
    `reason` says what came between, `sent_headers` are those of the client that backends get, `credentials` what lets
    the request in at its backend, or the steps of a composite tool at theirs (`is_composite`: one answers). `called` is
    the tool that a call is handed on to by the one that its client names; empty where it is not. `answer` is
    the JSON-RPC answer, kept where `keeps_answer` asks for it, as it is and not copied. `trace` is there where tracing
    is on, `on_workflow` where an audit is kept; with `is_enriched` the audit says what the dispatch found out.
    `is_stream` takes a request out of the hard time limit and out of the drain: set it for answers that are meant to
    stay open.

    `repr` shows the request id and no header.
    """

    __slots__ = (
        "_allow_list",
        "_metrics",
        "_misread",
        "_receive",
        "_reference",
        "_request_id",
        "_send",
        "_snapshot",
        "_whole",
        "answer",
        "backend",
        "body",
        "bytes_out",
        "called",
        "cors_headers",
        "credentials",
        "cut",
        "decision",
        "each",
        "header",
        "http_method",
        "identity",
        "is_composite",
        "is_enriched",
        "is_measured",
        "is_stream",
        "keeps_answer",
        "malformed_id",
        "message",
        "on_workflow",
        "outcome",
        "reason",
        "rejected_by",
        "response_complete",
        "response_started",
        "rpc_method",
        "same_head",
        "scope",
        "sent_headers",
        "session_ref",
        "started",
        "status",
        "trace",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        request_id: tuple[str, int],
        started: float,
        metrics: Metrics,
    ) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._request_id = request_id
        self._metrics = metrics
        self.same_head: RepeatedHead | None = scope.get(SAME_HEAD)
        # Later pairs win in a dict; the first value of a repeated header is the one that counts.
        self.header: Callable[[bytes], bytes | None] = (
            dict(reversed(scope["headers"])) if self.same_head is None else self.same_head.named(scope["headers"])
        ).get
        """The first value of a header by its lower-case name; `None` when it is absent."""
        self._allow_list: AllowList | None = None
        self._snapshot: HeaderSnapshot | None = None
        self._whole: RequestContext | None = None
        self.started = started
        self.http_method: str = scope["method"]
        self.identity: Identity | None = None
        self.body = b""
        self.message: Request | Notification | Response | Batch | None = None
        self.each: Handler | None = None
        self.malformed_id: bytes | None = None
        self.rpc_method = ""
        self._reference: Reference | None = None
        self._misread = ""
        self.backend = ""
        self.is_composite = False
        self.called = ""
        self.credentials: tuple[Credentials, ...] = ()
        self.decision: DecisionRecord | None = None
        self.session_ref = ""
        self.outcome: Outcome | None = None
        self.reason: Reason | None = None
        self.answer: Answer | None = None
        self.on_workflow: Callable[[RequestContext, WorkflowEvent], None] | None = None
        self.keeps_answer = False
        self.sent_headers: HeaderSnapshot = EMPTY_SNAPSHOT
        self.trace: Trace | None = None
        self.rejected_by = ""
        self.is_enriched = self.is_stream = self.is_measured = False
        self.cors_headers: tuple[tuple[bytes, bytes], ...] = ()
        self.cut: Cut | None = None
        self.status = self.bytes_out = 0
        self.response_started = self.response_complete = False

    def __repr__(self) -> str:
        return f"RequestContext({self.request_id}, {self.http_method}, {self.rpc_method or '-'})"

    def part(self, number: int, body: bytes, send: Send) -> "RequestContext":
        """The context of one message of a batch, whose answer goes to `send`."""
        named, now = (self.request_id, number), time.perf_counter()
        context = RequestContext(self.scope, self._receive, send, request_id=named, started=now, metrics=self._metrics)
        context._allow_list = self._allow_list
        context._snapshot = self._snapshot
        context._whole = self
        context.identity = self.identity
        context.body = body
        return context

    @property
    def request_id(self) -> str:
        """Unique in this process' life and, by its random prefix, between pods; no secret."""
        prefix, number = self._request_id
        return f"{prefix}-{number:x}"

    @property
    def age(self) -> float:
        """Seconds since the request began."""
        return time.perf_counter() - self.started

    @property
    def recorded_span(self) -> tuple[str, str] | None:
        """The ids of trace and span, in hex, where the request is recorded."""
        trace = self.trace
        return (trace.trace_id, trace.span_id) if isinstance(trace, RecordedTrace) else None

    @property
    def trace_id(self) -> str:
        """The id of a trace that is recorded, in hex; empty where none is."""
        return "" if self.trace is None else self.trace.trace_id

    @property
    def final_status(self) -> int:
        """The HTTP status of a request that is over; of one that crashed or was cut, that of the answer to come."""
        return self.status or (CRASHED if self.cut is None else self.cut.value).status

    @property
    def final_outcome(self) -> Outcome:
        """The outcome of a request that is over: by the dispatch or the status; of an incomplete answer an error."""
        if not self.response_complete and not self.is_stream:
            return Outcome.ERROR
        return self.outcome or outcome_of_status(self.final_status)

    @property
    def final_reason(self) -> Reason | None:
        """What came between a request that is over and its outcome."""
        if self.cut is not None:
            return Reason.TIMEOUT if self.cut is Cut.TIMEOUT else Reason.SHUTDOWN
        if self.reason is not None:
            return self.reason
        return Reason.DISCONNECTED if not self.is_stream and self.has_gone else None

    @property
    def reference(self) -> Reference:
        """What the message is about; read on the first call, and the same ever after.

        Raises:
            InvalidParamsError: the params do not have the shape of the method.
        """
        if self._reference is None:
            if self._misread:
                raise InvalidParamsError(self._misread)
            self._reference = self._read_reference()
        return self._reference

    def _read_reference(self) -> Reference:
        message = self.message
        if not (type(message) is Request or type(message) is Notification):
            return NO_REFERENCE
        try:
            return read_reference(message.method, message.params)
        except InvalidParamsError as error:
            # The text alone: an error that is kept holds the frames that it came through.
            self._misread = str(error)
            raise

    @property
    def target(self) -> str:
        """The name or URI that the message is about; empty where it names none, or none that could be served."""
        try:
            return self.called or self.reference.name
        except InvalidParamsError:
            return ""

    @property
    def via(self) -> str:
        """The tool that has handed the call on to the target; empty where none has."""
        return self.reference.name if self.called else ""

    @property
    def has_gone(self) -> bool:
        """Whether the client is known not to read any more."""
        return direct_answers.has_gone(self._send) if self._whole is None else self._whole.has_gone

    def when_gone(self, told: Callable[[], None]) -> TellsDeparture | None:
        """Has the client's going told, once, while `on_gone` of what tells it is set; None where only `receive` can."""
        return direct_answers.when_gone(self._send, told)

    def allow_passthrough(self, allow_list: AllowList) -> None:
        """Says which headers `captured` may take."""
        self._allow_list = allow_list

    def captured(self) -> HeaderSnapshot:
        """The passthrough headers of this request; made on the first call and the same ever after.

        What is relayed of them is known with the token of this request: call it once the caller is.
        """
        if self._snapshot is None:
            allowed, identity = self._allow_list, self.identity
            # They count for what is relayed to some backends alone.
            audiences = None if identity is None or allowed is None or not allowed.relayed else identity.audiences
            known = None if self.same_head is None else self.same_head.captured
            if known is not None and known[0] is allowed and known[1] == audiences:
                self._snapshot = known[2]
                return self._snapshot
            self._snapshot = EMPTY_SNAPSHOT if allowed is None else allowed.capture(self.scope["headers"], audiences)
            if self.same_head is not None:
                self.same_head.captured = (allowed, audiences, self._snapshot)
        return self._snapshot

    def release_head(self) -> None:
        """Lets go of the headers that are too long to be kept for as long as a stream is open (ADR-0028).

        Nothing is captured from here on: what the dispatch needs of them it has.
        """
        fields = self.scope["headers"]
        kept = shortened(fields)
        if len(kept) == len(fields):
            return
        # In place: the server holds the same list.
        fields[:] = kept
        self.header = dict(reversed(kept)).get
        direct_answers.release_head(self._send)

    def take_body(self) -> bytes | None:
        """The whole body where it has come already, once; None where `receive` has to be asked for it."""
        return direct_answers.take_body(self._receive)

    def receive(self) -> Awaitable[Message]:
        """The next ASGI message of the request; after the body only `http.disconnect` comes."""
        return self._receive()

    async def send(self, message: Message) -> None:
        """Sends a raw ASGI message and records what it says about the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.response_started = True
            try:
                await self._send(message)
            except asyncio.CancelledError:
                # The connection is still busy with the answer before this one: nothing has been sent.
                self.status = 0
                self.response_started = False
                raise
            return
        self.bytes_out += len(message.get("body", b""))
        self.response_complete = not message.get("more_body", False)
        await self._send(message)

    async def respond(self, status: int, body: Answer = b"", content_type: bytes = JSON, headers: Headers = ()) -> None:
        """Answers with a whole body; without one there is no `Content-Type` either."""
        if self.keeps_answer:
            self.answer = body
        is_plain = status == _OK and body and content_type is JSON and not headers and not self.cors_headers
        if is_plain and (
            (written := direct_answers.write_answer(self._send, body))
            or (written := await direct_answers.write_long_answer(self._send, body))
        ):
            self.status = status
            self.bytes_out += written
            self.response_started = self.response_complete = True
            return
        if isinstance(body, tuple):
            body = b"".join(body)
        fields = [(b"content-type", content_type)] if body else []
        length = () if status == _NO_CONTENT else ((b"content-length", b"%d" % len(body)),)
        fields += (*length, *headers, *self.cors_headers)
        async with self._room(len(body)):
            self.status = status
            self.bytes_out += len(body)
            self.response_started = True
            await self._send({"type": "http.response.start", "status": status, "headers": fields})
            self.response_complete = True
            await self._send({"type": "http.response.body", "body": body})

    async def start_stream(self, headers: Headers = ()) -> None:
        """Begins an answer of server-sent events that no intermediary should hold back."""
        fields = [*_STREAM_HEADERS, *headers, *self.cors_headers]
        await self.send({"type": "http.response.start", "status": 200, "headers": fields})

    async def write(self, chunk: Pieces) -> None:
        """Sends the next bytes of a stream; waits while the client is slow, does nothing once it has gone."""
        size = size_of(chunk)
        self.bytes_out += size
        async with self._room(size):
            if size > SHORT_BYTES and await direct_answers.write_pieces(self._send, chunk):
                return
            body = b"".join(chunk) if isinstance(chunk, tuple) else chunk
            await self._send({"type": "http.response.body", "body": body, "more_body": True})

    def waiting(self, size: int) -> AbstractContextManager[None]:
        """Has bytes count as unread that wait for their turn to be written."""
        return direct_answers.waiting(self._send, size) if self._whole is None else self._whole.waiting(size)

    def _room(self, size: int) -> AbstractAsyncContextManager[None]:
        """Waits for room for what is written now; of a part its batch does."""
        return nullcontext() if self._whole is not None else direct_answers.room(self._send, size)

    async def finish(self) -> None:
        """Ends a stream."""
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def reject(self, layer: str, refusal: Rejection, data: Raw | None = None) -> None:
        """Refuses the request in the name of a layer with a JSON-RPC error.

        Outside telemetry it counts in `vmcp_http_rejected_total`, inside by its method, and always by its status.
        """
        self.rejected_by = layer
        if not self.is_measured:
            self._metrics.on_rejected(layer, refusal.status)
        request = self.message if isinstance(self.message, Request) else None
        code = refusal.modern_code if claims_modern(self.header) else refusal.code
        answer = encode_error(self.malformed_id if request is None else request.id, code, refusal.message, data)
        is_answer = refusal.is_answer and request is not None and self.header(SESSION_HEADER) is not None
        await self.respond(_OK if is_answer else refusal.status, answer, headers=refusal.headers)
        self.status = refusal.status


Handler: TypeAlias = Callable[[RequestContext], Awaitable[None]]
"""A layer with everything inside it, or the dispatch itself."""

Told: TypeAlias = Callable[[RequestContext], None]
"""Somebody who hears of a request that is over."""
