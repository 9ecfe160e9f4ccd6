"""The way back to a client: one JSON answer, or an event stream once there is something to say before it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from vmcp_proxy.auth.decision import DecisionRecord
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.core.virtual import WorkflowEvent
from vmcp_proxy.protocol.jsonrpc import Answer
from vmcp_proxy.serve.chain.header_rules import accepts
from vmcp_proxy.serve.context import EVENT_STREAM, RequestContext
from vmcp_proxy.serve.legacy.answer_stream import AnswerStream
from vmcp_proxy.serve.legacy.answer_streams import AnswerStreams
from vmcp_proxy.serve.legacy.settings import LiveSettings
from vmcp_proxy.sessions import Session

_COMMENT_SECONDS: Final = 1.0


class PostExchange:
    """The answer to one POST; becomes an event stream with the first message or comment before the answer.

    A client that does not accept event streams gets the answer only. `request` is the id of what is answered.
    """

    __slots__ = ("_context", "_number", "_request", "_session", "_stream", "_streams", "last_write")

    def __init__(
        self, context: RequestContext, session: Session, request: bytes, streams: AnswerStreams, now: float
    ) -> None:
        self._context: Final = context
        self._session: Final = session
        self._request: Final = request
        self._streams: Final = streams
        self._stream: AnswerStream | None = None
        self._number = 0
        self.last_write = now

    @property
    def takes_messages(self) -> bool:
        """See `Exchange.takes_messages`."""
        return accepts(self._context.header(b"accept"), EVENT_STREAM)

    def routed(self, backend: str, credentials: Credentials) -> None:
        """See `Exchange.routed`."""
        self._context.backend = backend
        self.presented(credentials)

    def composed(self) -> None:
        """See `Exchange.composed`."""
        self._context.is_composite = True

    def presented(self, credentials: Credentials) -> None:
        """See `Exchange.presented`; one caller has the same for all calls of a backend."""
        if not any(known is credentials for known in self._context.credentials):
            self._context.credentials += (credentials,)

    def decided(self, record: DecisionRecord) -> None:
        """See `Exchange.decided`."""
        self._context.decision = record

    def ran(self, event: WorkflowEvent) -> None:
        """See `Exchange.ran`."""
        if (on_workflow := self._context.on_workflow) is not None:
            on_workflow(self._context, event)

    async def send(self, message: bytes, on_drop: Callable[[], None] | None = None) -> None:
        """See `Exchange.send`."""
        if (stream := self._opened()) is not None:
            self.last_write = asyncio.get_running_loop().time()
            await stream.send(message, on_drop)

    async def comment(self) -> None:
        """Keeps the connection open through proxies that cut idle ones."""
        if (stream := self._opened()) is not None and not stream.is_busy:
            self.last_write = asyncio.get_running_loop().time()
            await stream.comment()

    async def finish(self, answer: Answer) -> None:
        """Sends the answer and ends the response."""
        if self._stream is None:
            await self._context.respond(200, answer)
            return
        # What is kept for a client that comes back must not keep alive what the answer was read from.
        text = b"".join(answer) if isinstance(answer, tuple) else answer
        if self._context.keeps_answer:
            self._context.answer = text
        try:
            await self._stream.finish(text)
        finally:
            # Also where the request is cut off while the client has yet to read the end.
            if self._stream.is_over and self._stream.size:
                self._streams.finished(self._session, self._number)
            elif self._stream.is_over:
                self._streams.drop(self._session, self._number)

    def abandon(self) -> None:
        """Lets go of a stream that has not come to its answer; nothing happens where it has."""
        if self._stream is not None and not self._stream.is_over:
            self._stream.abandon()
            self._streams.drop(self._session, self._number)

    def _opened(self) -> AnswerStream | None:
        if self._stream is None and self.takes_messages and not self._context.response_started:
            self._number, self._stream = self._streams.open(self._context, self._session, self._request)
        return self._stream


class KeepAlive:
    """Comments on every exchange that has been silent for the keep-alive interval; one task for all of them."""

    def __init__(self, settings: LiveSettings) -> None:
        self._settings = settings
        self._exchanges: Final[set[PostExchange]] = set()

    def add(self, exchange: PostExchange) -> None:
        """Begins to look after an exchange."""
        self._exchanges.add(exchange)

    def discard(self, exchange: PostExchange) -> None:
        """Stops looking after it."""
        self._exchanges.discard(exchange)

    async def run(self) -> None:
        """Looks at the exchanges forever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self._settings.current.keep_alive / 2, 1.0))
            silent = loop.time() - self._settings.current.keep_alive
            # Side by side: a client that does not read must not hold up the comments of the others.
            async with asyncio.TaskGroup() as group:
                for exchange in [each for each in self._exchanges if each.last_write <= silent]:
                    group.create_task(self._comment(exchange))

    async def _comment(self, exchange: PostExchange) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_COMMENT_SECONDS):
                await exchange.comment()
