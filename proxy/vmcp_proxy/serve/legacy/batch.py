"""A batch of messages (MCP 2025-03-26): each is served as if it had come alone, and all answers go back together."""

import asyncio
from typing import Final

from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.protocol.jsonrpc import (
    Batch,
    Malformed,
    Notification,
    Request,
    parse_message,
)
from vmcp_proxy.protocol.sse import encode_event
from vmcp_proxy.serve.chain.header_rules import accepts
from vmcp_proxy.serve.chain.parsing import RESPONSE
from vmcp_proxy.serve.context import EVENT_STREAM, Handler, Message, RequestContext
from vmcp_proxy.serve.legacy.answers import invalid_request, malformed

_SIDE_BY_SIDE: Final = 8
"""Messages of one batch that are served at the same time, in the order in which they stand."""

MOST_HELD: Final = 4 << 20
"""Bytes of answers that wait for the rest of their batch."""

_ALONE: Final = "Send initialize in a request of its own."
_TOO_LONG: Final = f"The answers to this batch are longer than {MOST_HELD} bytes; send the request alone."


class _Answers:
    """What goes back: one array, or a stream of events as soon as a message has to go before the answers."""

    def __init__(self, context: RequestContext) -> None:
        self._context: Final = context
        self._takes_events: Final = accepts(context.header(b"accept"), EVENT_STREAM)
        self._held: Final[list[bytes]] = []
        self._size = 0
        self._lock: Final = asyncio.Lock()
        self.refusal: bytes | None = None
        """Why a message that wants no answer could not be taken."""

    async def add(self, answer: bytes, request_id: bytes | None) -> None:
        """Takes one answer; where the client takes no events and too much waits already, an error instead."""
        await self._take_turn(len(answer))
        try:
            if not self._context.response_started:
                if self._size + len(answer) <= MOST_HELD:
                    self._hold(answer)
                    return
                if not self._takes_events:
                    self._hold(invalid_request(request_id, _TOO_LONG))
                    return
                await self._begin()
            await self._context.write(encode_event(answer))
        finally:
            self._lock.release()

    async def write(self, events: bytes) -> None:
        """Passes on what one message's own stream says."""
        await self._take_turn(len(events))
        try:
            if not self._context.response_started:
                await self._begin()
            await self._context.write(events)
        finally:
            self._lock.release()

    async def _take_turn(self, size: int) -> None:
        """Takes the lock; what waits for it counts as unread."""
        with self._context.waiting(size):
            await self._lock.acquire()

    async def finish(self) -> None:
        """Ends the response: 202 where nothing wanted an answer."""
        if self._context.response_started:
            await self._context.finish()
        elif self._held:
            await self._context.respond(200, b"[" + b",".join(self._held) + b"]")
        elif self.refusal is not None:
            self._context.outcome = Outcome.FAILURE
            await self._context.respond(400, self.refusal)
        else:
            await self._context.respond(202)

    def _hold(self, answer: bytes) -> None:
        self._held.append(answer)
        self._size += len(answer)

    async def _begin(self) -> None:
        await self._context.start_stream()
        for answer in self._held:
            await self._context.write(encode_event(answer))
        self._held.clear()


class _Part:
    """The ASGI `send` of one message: its response, without status and headers, goes to the batch's answers."""

    def __init__(self, answers: _Answers, request_id: bytes | None) -> None:
        self._answers: Final = answers
        self._request_id: Final = request_id
        self._is_stream = False
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_stream = (b"content-type", EVENT_STREAM) in message["headers"]
            return
        body: bytes = message.get("body", b"")
        if self._is_stream:
            if body:
                await self._answers.write(body)
            return
        self._body += body
        if not self._body or message.get("more_body", False):
            return
        if self._request_id is None:
            self._answers.refusal = self._body
        else:
            await self._answers.add(self._body, self._request_id)


async def serve_batch(context: RequestContext, batch: Batch, each: Handler) -> None:
    """Serves every message of a batch and answers it: an array, or events where something is said meanwhile.

    `each` serves one message. What is no message, and `initialize`, which must come alone, gets an error in its place.
    """
    answers = _Answers(context)
    places = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def serve(number: int, text: bytes) -> None:
        async with places:
            await _serve_part(context, answers, each, number, text)

    async with asyncio.TaskGroup() as group:
        for number, text in enumerate(batch.parts, start=1):
            group.create_task(serve(number, text))
    await answers.finish()


async def _serve_part(context: RequestContext, answers: _Answers, each: Handler, number: int, text: bytes) -> None:
    message = parse_message(text)
    if isinstance(message, Malformed):
        await answers.add(malformed(message), message.id)
        return
    request_id = message.id if isinstance(message, Request) else None
    if isinstance(message, Request) and message.method == "initialize":
        await answers.add(invalid_request(request_id, _ALONE), request_id)
        return
    part = context.part(number, text, _Part(answers, request_id))
    part.message = message
    part.rpc_method = message.method if isinstance(message, Request | Notification) else RESPONSE
    await each(part)
