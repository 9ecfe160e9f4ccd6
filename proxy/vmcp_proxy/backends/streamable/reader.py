"""Reads answers of a backend off HTTP responses: one JSON body, or server-sent events."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from vmcp_proxy import http_client
from vmcp_proxy.backends.budget import STALLED, UNCOUNTED_BYTES, Lease, ReadBudget
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import Receiver, Reply
from vmcp_proxy.backends.messages import hand_over, is_answer_to, parse_incoming, sound
from vmcp_proxy.backends.over_http import translate
from vmcp_proxy.backends.refusals.refusal import EVENTS, JSON, media_type, message_in
from vmcp_proxy.backends.streamable.event_intake import EventIntake
from vmcp_proxy.backends.streamable.resume_point import Position
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.jsonrpc import parse_result
from vmcp_proxy.protocol.sse import EventTooLargeError, SseParser, only_event

ENDED: Final = "its stream ended before the answer"
_NO_ROOM: Final = "while other large answers were read; ask for less at once"
_MOST_ATTEMPTS: Final = 6
"""Requests in a row for the rest of a stream that reach nobody: about half a minute of asking."""

Elsewhere: TypeAlias = Callable[[jsonrpc.Response], None]
"""Takes an answer that came on a stream which is not that of its request."""

Reopen: TypeAlias = Callable[[bytes, Deadline], Awaitable[http_client.Response | None]]
"""Asks for what follows an event id; None where it is worth asking again later."""


async def ignore(_message: bytes) -> None:
    """Takes the answer to a backend that asks where it may not: there is no session yet to answer in."""


def nowhere(_answer: jsonrpc.Response) -> None:
    """Takes an answer that nobody waits for."""


class HttpReader:
    """Turns one response into one answer, with the byte cap of its backend and the budget of all."""

    __slots__ = ("_backend", "_budget", "_max_bytes")

    def __init__(self, backend: str, max_bytes: int, budget: ReadBudget) -> None:
        self._backend = backend
        self._max_bytes = max_bytes
        self._budget = budget

    def at_hand(self, response: http_client.Response, request_id: bytes) -> jsonrpc.Response | None:
        """The result for `request_id` where all of it has come with the head, as of nearly all small answers.

        It is all of a JSON body, or the one event of a stream, which may go on. None where `answer` has to look:
        nothing has been taken of the response then.
        """
        if not response.size or response.size > self._max_bytes:
            return None
        kind = media_type(response.headers)
        if kind == JSON:
            text = b"".join(response.parts) if response.complete else None
        else:
            text = only_event(response.parts[0]) if kind == EVENTS and len(response.parts) == 1 else None
        answer = None if text is None else parse_result(text, request_id)
        if answer is not None:
            response.take_nothing()
            response.settle()
        return answer

    async def answer(
        self,
        response: http_client.Response,
        request_id: bytes,
        deadline: Deadline,
        receiver: Receiver,
        reply: Reply = ignore,
        reopen: Reopen | None = None,
        elsewhere: Elsewhere = nowhere,
    ) -> jsonrpc.Response:
        """The answer to `request_id`, from a JSON body or from an event stream.

        A stream with event ids that ends before the answer is taken up again with `reopen`. Answers to other
        requests go `elsewhere`.

        Raises:
            BackendError: there is none, it is too large, or the wait is over.
        """
        kind = media_type(response.headers)
        if kind == JSON:
            return await self._from_json(response, request_id, deadline, receiver, reply, elsewhere)
        if kind != EVENTS:
            await response.aclose()
            raise BackendError(self._backend, Category.PROTOCOL)
        position = Position()
        try:
            while True:
                answer = await self._from_events(response, request_id, position, deadline, receiver, reply, elsewhere)
                if answer is not None:
                    return answer
                response = await self._rest(position, deadline, reopen)
        except TimeoutError as error:
            raise BackendError(self._backend, Category.TIMEOUT) from error

    async def stream(
        self,
        response: http_client.Response,
        receiver: Receiver,
        reply: Reply,
        position: Position,
        elsewhere: Elsewhere = nowhere,
    ) -> None:
        """Hands over every message of an event stream until it ends; `position` follows it.

        A stream that breaks and can be resumed has ended.

        Raises:
            BackendError: it broke.
        """
        loop = asyncio.get_running_loop()
        parser = SseParser(self._max_bytes)
        began = loop.time()
        lease = self._budget.lease(response.abandon)
        try:
            async for chunk in response.chunks(idle_timeout=None):
                for event in parser.feed(chunk):
                    position.take(event)
                    for message in parse_incoming(event.data) if event.data else ():
                        if isinstance(message, jsonrpc.Response):
                            elsewhere(message)
                        await hand_over(message, receiver, reply)
                await lease.hold(parser.held)
        except http_client.PeerClosed as error:
            if position.last_id is None:
                raise translate(self._backend, error) from error
        except EventTooLargeError as error:
            position.last_id = None  # or the same event would come again
            raise BackendError(self._backend, Category.TOO_LARGE) from error
        except http_client.HttpError as error:
            raise self._failure(error, lease) from error
        finally:
            parser.forget()
            lease.drop()
            position.ended(loop.time() - began)
            await response.aclose()

    async def _from_json(
        self,
        response: http_client.Response,
        request_id: bytes,
        deadline: Deadline,
        receiver: Receiver,
        reply: Reply,
        elsewhere: Elsewhere,
    ) -> jsonrpc.Response:
        """The answer in a JSON body: a message, or an array of them in revisions before 2025-06-18."""
        body = await self._body(response, deadline)
        try:
            messages = parse_incoming(body, request_id)
            answer = await self._sorted(messages, request_id, deadline, receiver, reply, elsewhere)
        except TimeoutError as error:
            raise BackendError(self._backend, Category.TIMEOUT) from error
        if answer is not None:
            return answer
        refused = message_in(JSON, body)
        if refused is None or refused.id != b"null":
            raise BackendError(self._backend, Category.PROTOCOL, "its JSON body holds no answer to the request")
        # Servers that refuse before they look at the id leave it out; the body is about this request alone.
        return jsonrpc.Response(request_id, None, refused.error)

    async def _body(self, response: http_client.Response, deadline: Deadline) -> bytes:
        length = response.length
        lease = self._budget.lease(response.abandon)
        try:
            if response.complete or (length is not None and length <= UNCOUNTED_BYTES):
                return await self._read(response, deadline)
            if length is None:
                return await self._read_unknown(response, deadline, lease)
            await self._hold(lease, min(length, self._max_bytes), deadline)
            return await self._read(response, deadline, is_reserved=True)
        except http_client.HttpError as error:
            raise self._failure(error, lease) from error
        finally:
            response.abandon()
            lease.drop()

    async def _read(self, response: http_client.Response, deadline: Deadline, *, is_reserved: bool = False) -> bytes:
        seconds = deadline.at - asyncio.get_running_loop().time()
        return await response.read(self._max_bytes, timeout=max(seconds, 0.0), is_reserved=is_reserved)

    async def _read_unknown(self, response: http_client.Response, deadline: Deadline, lease: Lease) -> bytes:
        """The whole body where nothing says how long it will be."""
        loop = asyncio.get_running_loop()
        parts: list[bytes] = []
        size = 0
        try:
            while part := await response.part(idle_timeout=max(deadline.at - loop.time(), 0.0)):
                parts.append(part)
                size += len(part)
                if size > self._max_bytes:
                    raise http_client.ResponseTooLarge(self._max_bytes)
                await self._hold(lease, size, deadline)
            return b"".join(parts)
        finally:
            parts.clear()  # or an error's traceback would hold them until the garbage is collected

    async def _hold(self, lease: Lease, size: int, deadline: Deadline) -> None:
        """Waits for room for an answer within the deadline of its call."""
        if lease.try_hold(size):
            return
        try:
            async with deadline.bound():
                await lease.hold(size)
        except TimeoutError as error:
            raise BackendError(self._backend, Category.TIMEOUT, _NO_ROOM) from error

    def _failure(self, error: http_client.HttpError, lease: Lease) -> BackendError:
        if lease.is_ended:
            return BackendError(self._backend, Category.TIMEOUT, STALLED)
        return translate(self._backend, error)

    async def _from_events(
        self,
        response: http_client.Response,
        request_id: bytes,
        position: Position,
        deadline: Deadline,
        receiver: Receiver,
        reply: Reply,
        elsewhere: Elsewhere,
    ) -> jsonrpc.Response | None:
        """The answer; None where the stream is over without it."""
        began = asyncio.get_running_loop().time()
        lease = self._budget.lease(response.abandon)
        events = EventIntake(response, self._max_bytes, lease)
        try:
            while True:
                if not events.take():
                    async with deadline.bound():
                        await response.gather(events.take)
                for event in events.taken():
                    position.take(event)
                    messages = parse_incoming(event.data, request_id) if event.data else ()
                    answer = await self._sorted(messages, request_id, deadline, receiver, reply, elsewhere)
                    if answer is not None:
                        response.settle()
                        return answer
                if events.are_over:
                    return None
                await self._hold(lease, events.held, deadline)
        except http_client.PeerClosed:
            return None
        except EventTooLargeError as error:
            raise BackendError(self._backend, Category.TOO_LARGE) from error
        except http_client.HttpError as error:
            raise self._failure(error, lease) from error
        finally:
            events.forget()
            lease.drop()
            position.ended(asyncio.get_running_loop().time() - began)
            await response.aclose()

    async def _rest(self, position: Position, deadline: Deadline, reopen: Reopen | None) -> http_client.Response:
        """What follows the events so far; the call may have run, so this is the only way to its answer."""
        for _ in range(_MOST_ATTEMPTS):
            if position.last_id is None or reopen is None:
                break
            async with deadline.bound():
                await asyncio.sleep(position.pause())
                response = await reopen(position.last_id, deadline)
            if response is not None:
                return response
            position.ended(0.0)
        raise BackendError(self._backend, Category.FAILED, ENDED)

    async def _sorted(
        self,
        messages: tuple[jsonrpc.Message, ...],
        request_id: bytes,
        deadline: Deadline,
        receiver: Receiver,
        reply: Reply,
        elsewhere: Elsewhere,
    ) -> jsonrpc.Response | None:
        """Hands every message to whom it is for; the answer to the request is returned."""
        answer = None
        for message in messages:
            if not isinstance(message, jsonrpc.Response):
                await self._during(message, deadline, receiver, reply)
            elif answer is None and is_answer_to(request_id, message):
                answer = sound(self._backend, message)
            else:
                elsewhere(message)
        return answer

    async def _during(self, message: jsonrpc.Message, deadline: Deadline, receiver: Receiver, reply: Reply) -> None:
        """Handles what comes before the answer of a call."""
        # A client that does not read, or a backend that asks without end, must not stretch the call.
        async with asyncio.timeout_at(deadline.at):
            await hand_over(message, receiver, reply)
        if isinstance(message, jsonrpc.Notification) and message.method == "notifications/progress":
            deadline.extend(asyncio.get_running_loop().time())
