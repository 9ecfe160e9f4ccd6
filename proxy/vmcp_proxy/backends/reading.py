"""Reads answers of a backend off HTTP responses: one JSON body, or server-sent events."""

import asyncio
from http import HTTPStatus
from typing import Final

from vmcp_proxy.backends import http
from vmcp_proxy.backends.client import Deadline, Receiver, Reply
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.protocol.sse import EventTooLargeError, SseParser

_ERROR_BODY_BYTES: Final = 64 << 10
_OK: Final = int(HTTPStatus.OK)


def translate(backend: str, error: http.HttpError) -> BackendError:
    """The HTTP client's failure as the core knows it."""
    match error:
        case http.Timeout():
            return BackendError(backend, Category.TIMEOUT)
        case http.ResponseTooLarge():
            return BackendError(backend, Category.TOO_LARGE)
        case http.ProtocolError():
            return BackendError(backend, Category.PROTOCOL)
        case http.DialRefused() | http.TlsFailed() | http.RedirectRefused():
            return BackendError(backend, Category.REFUSED, str(error))
    return BackendError(backend, Category.UNREACHABLE)


async def ignore(_message: bytes) -> None:
    """Takes the answer to a backend that asks where it may not: there is no session yet to answer in."""


class HttpReader:
    """Turns one response into one answer, with the byte cap of its backend."""

    __slots__ = ("_backend", "_max_bytes")

    def __init__(self, backend: str, max_bytes: int) -> None:
        self._backend = backend
        self._max_bytes = max_bytes

    async def answer(
        self,
        response: http.Response,
        request_id: bytes,
        deadline: Deadline,
        receiver: Receiver,
        reply: Reply = ignore,
    ) -> jsonrpc.Response:
        """The answer to `request_id`, from a JSON body or from an event stream.

        Raises:
            BackendError: there is none, it is too large, or the wait is over.
        """
        kind = response.headers.get(b"content-type") or b""
        if kind.startswith(b"text/event-stream"):
            return await self._from_events(response, request_id, deadline, receiver, reply)
        if response.status != _OK or not kind.startswith(b"application/json"):
            status = response.status
            await response.aclose()
            raise BackendError(self._backend, _category_of(status), f"HTTP status {status}")
        body = await self._body(response, deadline, self._max_bytes)
        message = jsonrpc.parse_message(body)
        if isinstance(message, jsonrpc.Response) and message.id == request_id:
            return message
        raise BackendError(self._backend, Category.PROTOCOL)

    async def error_body(self, response: http.Response, deadline: Deadline) -> jsonrpc.Response | None:
        """The JSON-RPC error in the body of a refusal, where there is one; its id may be null or absent."""
        kind = response.headers.get(b"content-type") or b""
        if not kind.startswith(b"application/json"):
            return None
        try:
            body = await self._body(response, deadline, _ERROR_BODY_BYTES)
        except BackendError:
            return None
        try:
            members = params.parse_members(body)
        except InvalidParamsError:
            return None
        error = members.get("error")
        # Bodies of other protocols have a text under "error", which no client could read as a JSON-RPC error.
        if error is None or bytes(memoryview(error)[:1]) != b"{":
            return None
        return jsonrpc.Response(bytes(members.get("id", b"null")), None, error)

    async def stream(self, response: http.Response, receiver: Receiver, reply: Reply) -> None:
        """Hands over every message of an event stream until it ends.

        Raises:
            BackendError: it broke.
        """
        parser = SseParser(self._max_bytes)
        try:
            async for chunk in response.chunks(idle_timeout=None):
                for event in parser.feed(chunk):
                    if event.data:
                        await self._dispatch(jsonrpc.parse_message(event.data), receiver, reply)
        except EventTooLargeError as error:
            raise BackendError(self._backend, Category.TOO_LARGE) from error
        except http.HttpError as error:
            raise translate(self._backend, error) from error
        finally:
            await response.aclose()

    async def _body(self, response: http.Response, deadline: Deadline, cap: int) -> bytes:
        timeout = deadline.at - asyncio.get_running_loop().time()
        try:
            return await response.read(cap, timeout=max(timeout, 0.0))
        except http.HttpError as error:
            raise translate(self._backend, error) from error

    async def _from_events(
        self,
        response: http.Response,
        request_id: bytes,
        deadline: Deadline,
        receiver: Receiver,
        reply: Reply,
    ) -> jsonrpc.Response:
        parser = SseParser(self._max_bytes)
        chunks = response.chunks(idle_timeout=None)
        try:
            while True:
                async with deadline.bound():
                    chunk = await anext(chunks, None)
                if chunk is None:
                    raise BackendError(self._backend, Category.UNREACHABLE, "its stream ended before the answer")
                for event in parser.feed(chunk):
                    message = jsonrpc.parse_message(event.data) if event.data else None
                    if isinstance(message, jsonrpc.Response) and message.id == request_id:
                        return message
                    if message is not None:
                        await self._during(message, deadline, receiver, reply)
        except TimeoutError as error:
            raise BackendError(self._backend, Category.TIMEOUT) from error
        except EventTooLargeError as error:
            raise BackendError(self._backend, Category.TOO_LARGE) from error
        except http.HttpError as error:
            raise translate(self._backend, error) from error
        finally:
            await response.aclose()

    async def _during(self, message: jsonrpc.Message, deadline: Deadline, receiver: Receiver, reply: Reply) -> None:
        """Handles what comes before the answer of a call."""
        loop = asyncio.get_running_loop()
        # A client that does not read, or a backend that asks without end, must not stretch the call.
        async with asyncio.timeout_at(deadline.at):
            await self._dispatch(message, receiver, reply)
        if isinstance(message, jsonrpc.Notification) and message.method == "notifications/progress":
            deadline.extend(loop.time())

    async def _dispatch(self, message: jsonrpc.Message, receiver: Receiver, reply: Reply) -> None:
        """Hands over what is no answer."""
        if isinstance(message, jsonrpc.Notification):
            await receiver.on_notification(message.method, message.params)
        elif isinstance(message, jsonrpc.Request):
            await receiver.on_request(message, reply)


def _category_of(status: int) -> Category:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Category.AUTH
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Category.UNREACHABLE
    return Category.REFUSED if status >= HTTPStatus.BAD_REQUEST else Category.PROTOCOL
