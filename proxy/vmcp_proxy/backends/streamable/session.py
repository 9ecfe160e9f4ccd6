"""One legacy session over Streamable HTTP: a session id and the revision, on every request."""

import asyncio
import contextlib
import itertools
from functools import lru_cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.eras import refuses_revision
from vmcp_proxy.backends.errors import BackendError, Category, SessionBrokenError, SessionLostError
from vmcp_proxy.backends.interface import NOBODY, Receiver
from vmcp_proxy.backends.messages import code_of, is_answer_to, sound
from vmcp_proxy.backends.over_http import translate
from vmcp_proxy.backends.refusals.refusal import EVENTS, JSON, Refusal, is_success, media_type, read_refusal
from vmcp_proxy.backends.refusals.signs import Sign, is_lost, names_session, sign_of
from vmcp_proxy.backends.streamable.answers import Answers
from vmcp_proxy.backends.streamable.own_stream import OwnStream
from vmcp_proxy.backends.streamable.reader import ENDED
from vmcp_proxy.backends.streamable.resume_point import Position
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.http_client import HeaderBlock, HttpError, Response
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.initialize import ServerHello
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.methods import EXECUTING

if TYPE_CHECKING:
    from vmcp_proxy.backends.streamable.backend import HttpBackend

POST: Final = ((b"Content-Type", b"application/json"), (b"Accept", b"application/json, text/event-stream"))
GET: Final = ((b"Accept", b"text/event-stream"),)

_OK: Final = int(HTTPStatus.OK)
_FAREWELL_SECONDS: Final = 5.0
_PING_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 1.0
"""How long a call whose own stream is over waits for an answer on the session's stream."""

_PASSING: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals of the session's stream that may be over soon; servers say 409 while they hold the former one."""


class HttpBackendSession:
    """See the module; `session_id` is None where the server keeps no sessions."""

    __slots__ = (
        "_answers",
        "_backend",
        "_ids",
        "_is_own",
        "_last",
        "_may_be_lost",
        "_own",
        "_position",
        "_stream",
        "hello",
        "session_id",
    )

    def __init__(
        self,
        backend: "HttpBackend",
        hello: ServerHello,
        session_id: bytes | None,
        first_id: int = 1,
        *,
        is_own: bool = False,
    ) -> None:
        self._backend = backend
        self._is_own = is_own
        self.session_id = session_id
        self._ids = itertools.count(first_id)
        self._may_be_lost = first_id > 1
        self.begin(hello)
        self._position = Position()
        self._stream = OwnStream()
        self._answers = Answers()

    def __repr__(self) -> str:
        return f"<HttpBackendSession {self._backend.name} {self.hello.version}>"

    @property
    def token(self) -> bytes:
        """See `BackendSession.token`; sealed before it leaves the process."""
        return self._backend.token_of(self)

    def begin(self, hello: ServerHello) -> None:
        """Takes over what the server said of itself; its revision goes with every request from now on."""
        self.hello = hello
        own = [_revision_field(hello.version)]
        if self.session_id is not None:
            own.append((b"Mcp-Session-Id", self.session_id))
        self._own: OutgoingHeaders = tuple(own)
        self._last: tuple[OutgoingHeaders, HeaderBlock] | None = None

    def next_id(self) -> int:
        """See `BackendSession.next_id`."""
        return next(self._ids)

    def expect_stream(self) -> None:
        """See `BackendSession.expect_stream`."""
        self._stream.expect()

    async def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders = (),
    ) -> jsonrpc.Response:
        """See `BackendSession.request`."""
        if self._stream.is_expected:
            await self._stream.wait()
        wait = self._answers.begin(request_id)
        try:
            body = jsonrpc.encode_request(request_id, method, params)
            # Or a long request would be in memory once more until it is answered.
            del params
            return await self._exchange(request_id, method, body, headers, deadline, receiver, extra)
        except asyncio.CancelledError:
            if wait.answer is None:
                self._cancel(request_id, headers, "The client cancelled the request.")
            elif wait.over():
                return sound(self._backend.name, wait.answer)
            raise
        except BackendError as error:
            if error.category is Category.TIMEOUT:
                self._cancel(request_id, headers, "The request took too long.")
            raise
        finally:
            self._answers.end(request_id)

    async def notify(self, method: str, params: Raw | None, headers: OutgoingHeaders) -> None:
        """See `BackendSession.notify`."""
        await self._send(jsonrpc.encode_notification(method, params), headers)

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`; a stream with event ids is taken up again behind the last one.

        One without may have lost something, so that its end is told; the more often it ends, the later.
        """
        reader = self._backend.reader
        with self._stream.reading():
            while True:
                response = await self._open_stream(headers)
                if response is None:
                    return False
                self._stream.settled()
                self._may_be_lost = True
                reply = partial(self._reply, headers)
                await reader.stream(response, receiver, reply, self._position, self._answers.take)
                await asyncio.sleep(self._position.pause())
                if self._position.last_id is None:
                    return True

    async def close(self, headers: OutgoingHeaders) -> None:
        """See `BackendSession.close`."""
        backend = self._backend
        if self.session_id is None:
            return
        try:
            response = await backend.client.request(
                backend.peer, b"DELETE", self._own + headers, timeout=_FAREWELL_SECONDS, is_repeatable=True
            )
            await response.aclose()
        except HttpError:
            return

    def _headers(self, headers: OutgoingHeaders) -> HeaderBlock:
        """All fields of a POST, encoded once for as long as the caller's are the same object."""
        if self._last is not None and self._last[0] is headers:
            return self._last[1]
        block = HeaderBlock(POST + self._own + headers)
        self._last = (headers, block)
        return block

    async def _exchange(
        self,
        request_id: int,
        method: str,
        body: bytes,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders,
    ) -> jsonrpc.Response:
        """Sends the request and reads the response to it; who waits is woken where the answer comes elsewhere."""
        backend = self._backend
        executes = method in EXECUTING
        block = self._headers(headers)
        if extra:
            block += extra
        response = await backend.post(block, body, deadline.at, is_repeatable=not executes, is_own=self._is_own)
        if response.status != _OK and not is_success(response.status):
            return await self._refused(response, request_id, headers, deadline, executes=executes)
        if (result := backend.reader.at_hand(response, b"%d" % request_id)) is not None:
            return result
        if media_type(response.headers) not in (EVENTS, JSON):
            return await self._answered_elsewhere(response, headers, deadline)
        try:
            answer = await backend.reader.answer(
                response,
                b"%d" % request_id,
                deadline,
                receiver,
                partial(self._reply, headers),
                partial(self._reopen, headers),
                self._answers.take,
            )
        except BackendError as error:
            if error.hint == ENDED and self._stream.is_read:
                await asyncio.sleep(min(_GRACE_SECONDS, deadline.at - asyncio.get_running_loop().time()))
            raise
        if answer.error is not None and self.session_id is not None and names_session(answer.error):
            await self._check_session(headers, deadline)
        return answer

    async def _answered_elsewhere(
        self, response: Response, headers: OutgoingHeaders, deadline: Deadline
    ) -> jsonrpc.Response:
        """Waits for an answer on the session's stream, where the response has none: this never returns one."""
        refusal = await read_refusal(response, deadline)
        is_accepted = refusal.status == HTTPStatus.ACCEPTED or not refusal.text
        if is_accepted and self._stream.is_read:
            try:
                async with deadline.bound():
                    await self._stream.over()
            except TimeoutError as error:
                raise BackendError(self._backend.name, Category.TIMEOUT) from error
        raise self._error(refusal, "POST", headers)

    async def _refused(
        self, response: Response, request_id: int, headers: OutgoingHeaders, deadline: Deadline, *, executes: bool
    ) -> jsonrpc.Response:
        """A JSON-RPC error of the backend's is an answer; the rest is none, and may say that the session is lost.

        Raises:
            SessionLostError: it is, and the request was not executed, or executes nothing.
            SessionBrokenError: it is, and the request may have been executed.
            BackendError: it is not.
        """
        refusal = await read_refusal(response, deadline)
        message = refusal.message
        answer = message if message is not None and is_answer_to(b"%d" % request_id, message) else None
        error = self._error(refusal, "POST", headers)
        if answer is not None and refuses_revision(code_of(answer.error)):
            raise SessionLostError(self._backend.name)
        if self.session_id is not None:
            sign = sign_of(refusal.status, refusal.said, is_answer=answer is not None)
            if sign is Sign.LOST:
                raise SessionLostError(self._backend.name)
            if sign is not Sign.NONE and await self._is_lost(headers, deadline):
                raise SessionBrokenError(error) if sign is Sign.BROKEN and executes else SessionLostError(error.backend)
        if answer is not None and error.category is not Category.AUTH:
            return jsonrpc.Response(b"%d" % request_id, None, answer.error)
        raise error

    async def _check_session(self, headers: OutgoingHeaders, within: Deadline | None = None) -> None:
        if await self._is_lost(headers, within):
            raise SessionLostError(self._backend.name)

    async def _is_lost(self, headers: OutgoingHeaders, within: Deadline | None = None) -> bool:
        """Asks in the session itself: what is refused may be the request alone, and a session is worth keeping.

        `within` is the time of the call that waits for this.
        """
        backend = self._backend
        number = self.next_id()
        deadline = Deadline.after(asyncio.get_running_loop().time(), _PING_SECONDS)
        if within is not None:
            deadline.at = min(deadline.at, within.at)
        body = jsonrpc.encode_request(number, "ping", None)
        try:
            response = await backend.post(
                self._headers(headers), body, deadline.at, is_repeatable=True, is_own=self._is_own
            )
            if is_success(response.status):
                answer = await backend.reader.answer(response, b"%d" % number, deadline, NOBODY)
                return answer.error is not None and is_lost(response.status, answer.error, is_answer=True)
            refusal = await read_refusal(response, deadline)
        except BackendError:
            return False
        message = refusal.message
        is_answer = message is not None and is_answer_to(b"%d" % number, message)
        return is_lost(refusal.status, refusal.said, is_answer=is_answer)

    async def _open_stream(self, headers: OutgoingHeaders) -> Response | None:
        """The stream of the session; None where the backend offers none.

        A server may offer none in any words; only a request tells whether the session is lost.
        """
        backend = self._backend
        last_id = self._position.last_id
        try:
            response = await backend.get(self._own + headers, last_id, backend.settings.connect_timeout)
        except HttpError as error:
            raise translate(backend.name, error) from error
        status = response.status
        if is_success(status) and media_type(response.headers) == EVENTS:
            return response
        refusal = await read_refusal(response)
        is_of_client = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        if is_of_client:
            # Perhaps the server has forgotten this place of the stream: the next request begins a new one.
            self._position.last_id = None
        if is_of_client and self._may_be_lost and self.session_id is not None:
            await self._check_session(headers)
        if status in _PASSING or last_id is not None or _is_passing(status):
            raise self._error(refusal, "GET", headers)
        return None

    async def _reopen(self, headers: OutgoingHeaders, last_id: bytes, deadline: Deadline) -> Response | None:
        return await self._backend.reopen(self._own + headers, last_id, deadline)

    async def _send(self, body: bytes, headers: OutgoingHeaders) -> None:
        until = asyncio.get_running_loop().time() + _FAREWELL_SECONDS
        response = await self._backend.post(
            self._headers(headers), body, until, is_repeatable=True, is_own=self._is_own
        )
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise self._error(await read_refusal(response), "POST", headers)
        await response.aclose()

    async def _reply(self, headers: OutgoingHeaders, raw: bytes) -> None:
        # A reply that fails says nothing of the call that it belongs to: that one may be running, and a 404
        # to the reply must not have it sent again.
        with contextlib.suppress(BackendError):
            await self._send(raw, headers)

    def _cancel(self, request_id: int, headers: OutgoingHeaders, reason: str) -> None:
        """Tells the backend beside the call: one that hangs would let the caller wait for this, too."""
        params = b'{"requestId":%d,"reason":%b}' % (request_id, msgspec.json.encode(reason))
        self._backend.aside.do(self._tell(params, headers), f"cancel at {self._backend.name}")

    async def _tell(self, params: bytes, headers: OutgoingHeaders) -> None:
        with contextlib.suppress(BackendError):
            await self.notify("notifications/cancelled", params, headers)

    def _error(self, refusal: Refusal, verb: str, headers: OutgoingHeaders) -> BackendError:
        return refusal.error(self._backend.name, verb, self._backend.peer.url, self._own + headers)


@lru_cache(maxsize=16)
def _revision_field(version: str) -> tuple[bytes, bytes]:
    """The field that names a revision, one for all sessions of it."""
    return b"MCP-Protocol-Version", version.encode()


def _is_passing(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
