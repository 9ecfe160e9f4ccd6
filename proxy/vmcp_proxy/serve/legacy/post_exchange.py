"""The way back to a client: one JSON answer, or an event stream once there is something to say before it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from vmcp_proxy.protocol.jsonrpc import Answer
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.eras.exchange import ContextExchange
from vmcp_proxy.serve.legacy.answer_stream import AnswerStream
from vmcp_proxy.serve.legacy.answer_streams import AnswerStreams
from vmcp_proxy.sessions import Session


class PostExchange(ContextExchange):
    """The answer to one POST; becomes an event stream with the first message or comment before the answer.

    A client that does not accept event streams gets the answer only. `request` is the id of what is answered.
    """

    __slots__ = ("_number", "_request", "_session", "_stream", "_streams", "last_write")

    def __init__(
        self, context: RequestContext, session: Session, request: bytes, streams: AnswerStreams, now: float
    ) -> None:
        super().__init__(context)
        self._session: Final = session
        self._request: Final = request
        self._streams: Final = streams
        self._stream: AnswerStream | None = None
        self._number = 0
        self.last_write = now

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

    def finish(self, answer: Answer) -> Awaitable[None]:
        """Sends the answer and ends the response."""
        self._is_answered = True
        stream = self._stream
        return self._context.respond(200, answer) if stream is None else self._end(stream, answer)

    async def _end(self, stream: AnswerStream, answer: Answer) -> None:
        # What is kept for a client that comes back must not keep alive what the answer was read from.
        text = b"".join(answer) if isinstance(answer, tuple) else answer
        del answer
        if self._context.keeps_answer:
            self._context.answer = text
        try:
            await stream.finish(text)
        finally:
            # Also where the request is cut off while the client has yet to read the end.
            if stream.is_over and stream.size:
                self._streams.finished(self._session, self._number)
            elif stream.is_over:
                self._streams.drop(self._session, self._number)

    def abandon(self) -> None:
        """Lets go of a stream that has not come to its answer; nothing happens where it has."""
        if self._stream is not None and not self._stream.is_over:
            self._stream.abandon()
            self._streams.drop(self._session, self._number)

    def _opened(self) -> AnswerStream | None:
        is_over = self._is_answered or self._context.response_started
        if self._stream is None and not is_over and self.takes_messages:
            self._number, self._stream = self._streams.open(self._context, self._session, self._request)
        return self._stream
