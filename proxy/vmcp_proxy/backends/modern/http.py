"""Modern requests over Streamable HTTP (MCP 2026-07-28, "Transports"): a POST each, and what it repeats in headers."""

import itertools
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.eras import refuses_revision
from vmcp_proxy.backends.errors import BackendError, Category, EraLostError, NotModernError
from vmcp_proxy.backends.interface import Receiver
from vmcp_proxy.backends.messages import code_of, is_answer_to
from vmcp_proxy.backends.modern.envelope import Envelope, headers_of
from vmcp_proxy.backends.over_http import translate
from vmcp_proxy.backends.refusals.refusal import EVENTS, JSON, Refusal, is_success, media_type, read_refusal
from vmcp_proxy.backends.refusals.signs import names_session
from vmcp_proxy.backends.streamable.reader import ENDED
from vmcp_proxy.backends.streamable.resume_point import Position
from vmcp_proxy.backends.streamable.session import POST
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.http_client import HeaderBlock, HttpError, Response
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.error_codes import HEADER_MISMATCH
from vmcp_proxy.protocol.methods import EXECUTING, LISTEN
from vmcp_proxy.protocol.params import Members
from vmcp_proxy.protocol.versions import MODERN

if TYPE_CHECKING:
    from vmcp_proxy.backends.modern.backend import ModernHttpBackend

OWN_HEADERS: Final = (*POST, (b"MCP-Protocol-Version", MODERN.encode()))

_TOOL_CALL: Final = "tools/call"


class ModernHttp:
    """The `Transport` of one session with a backend that is reached by HTTP."""

    __slots__ = ("_backend", "_ids", "_is_own", "_last", "name")

    def __init__(self, backend: "ModernHttpBackend", *, is_own: bool = False) -> None:
        self.name: Final = backend.name
        self._is_own: Final = is_own
        self._backend: Final = backend
        self._ids = itertools.count(1)
        self._last: tuple[OutgoingHeaders, HeaderBlock] | None = None

    def next_id(self) -> int:
        """See `Transport.next_id`: each request has a response of its own."""
        return next(self._ids)

    async def exchange(
        self,
        request_id: int,
        method: str,
        members: Members,
        envelope: Envelope,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders,
    ) -> jsonrpc.Response:
        """See `Transport.exchange`.

        A tool whose arguments travel in other headers than its last list said is looked up once more. What executes
        nothing is sent again where its stream broke; of a call nobody knows what became.
        """
        body = jsonrpc.encode_request(request_id, method, envelope.around(members, receiver.log_level))
        is_repeatable = method not in EXECUTING
        number, may_list, may_repeat = b"%d" % request_id, method == _TOOL_CALL, is_repeatable
        while True:
            declared = self._backend.tools.declared(members) if method == _TOOL_CALL else ()
            block = self._block(headers)
            block += (*headers_of(method, members, declared), *extra)
            try:
                answer = await self._send(number, block, body, headers, deadline, receiver, is_repeatable=is_repeatable)
            except BackendError as error:
                if error.hint != ENDED or not may_repeat:
                    raise
                may_repeat = False
                continue
            code = None if answer.error is None else code_of(answer.error)
            if refuses_revision(code):
                raise self._lost(BackendError(self.name, Category.REFUSED, "it refuses the revision that it spoke"))
            if code != HEADER_MISMATCH or not may_list:
                break
            may_list = False
            if not await self._backend.list_tools(self, envelope, headers, deadline):
                break
        self._backend.tools.take(method, answer.result)
        return answer

    async def probe(self, envelope: Envelope, headers: OutgoingHeaders, deadline: Deadline) -> None:
        """See `Transport.probe`."""
        try:
            await self._backend.discover(envelope, headers, deadline, is_own=self._is_own)
        except NotModernError as error:
            raise self._lost(error) from None

    async def listen(
        self, request_id: int, wanted: Members, envelope: Envelope, headers: OutgoingHeaders, receiver: Receiver
    ) -> bool:
        """See `Transport.listen`."""
        backend = self._backend.http
        members: Members = {"notifications": msgspec.Raw(params.encode_members(wanted))}
        body = jsonrpc.encode_request(request_id, LISTEN, envelope.around(members, None))
        block = self._block(headers) + headers_of(LISTEN, members, ())
        try:
            response = await backend.client.request(
                backend.peer,
                b"POST",
                block,
                body,
                timeout=backend.settings.connect_timeout,
                stream=True,
                apart=True,
                is_repeatable=True,
            )
        except HttpError as error:
            raise translate(self.name, error) from error
        if is_success(response.status) and media_type(response.headers) == EVENTS:
            refused: list[jsonrpc.Response] = []
            await backend.reader.stream(response, receiver, _nothing, Position(), refused.append)
            return not any(each.error is not None for each in refused)
        refusal = await read_refusal(response)
        if response.status == HTTPStatus.UNAUTHORIZED or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._error(refusal, headers)
        return False

    def _block(self, headers: OutgoingHeaders) -> HeaderBlock:
        """The fields that all requests have, encoded once for as long as the caller's are the same object."""
        if self._last is None or self._last[0] is not headers:
            self._last = (headers, HeaderBlock(OWN_HEADERS + headers))
        return self._last[1]

    async def _send(
        self,
        number: bytes,
        block: HeaderBlock,
        body: bytes,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        *,
        is_repeatable: bool,
    ) -> jsonrpc.Response:
        backend = self._backend.http
        response = await backend.post(block, body, deadline.at, is_repeatable=is_repeatable, is_own=self._is_own)
        if is_success(response.status) and (result := backend.reader.at_hand(response, number)) is not None:
            return result
        if is_success(response.status) and media_type(response.headers) in (EVENTS, JSON):
            return await backend.reader.answer(response, number, deadline, receiver)
        return await self._refused(response, number, headers, deadline)

    async def _refused(
        self, response: Response, number: bytes, headers: OutgoingHeaders, deadline: Deadline
    ) -> jsonrpc.Response:
        """A JSON-RPC error of the backend's is an answer; what is none may say that it does not know the protocol."""
        refusal = await read_refusal(response, deadline)
        error, message = self._error(refusal, headers), refusal.message
        if error.category is Category.AUTH:
            raise error
        is_refusal = error.category is Category.REFUSED
        # Servers that refuse before they look at the id leave it out; the body is about this request alone.
        if message is not None and (is_answer_to(number, message) or (is_refusal and message.id == b"null")):
            is_odd = is_refusal and message.error is not None and names_session(message.error)
            if not is_odd or await self._is_spoken(headers, deadline):
                return jsonrpc.Response(number, None, message.error)
        elif not is_refusal or await self._is_spoken(headers, deadline):
            raise error
        raise self._lost(error)

    async def _is_spoken(self, headers: OutgoingHeaders, deadline: Deadline) -> bool:
        try:
            await self._backend.discover(self._backend.bare, headers, deadline)
        except NotModernError:
            return False
        except BackendError:
            return True
        return True

    def _lost(self, error: BackendError) -> EraLostError:
        self._backend.eras.forget()
        return EraLostError(error)

    def _error(self, refusal: Refusal, headers: OutgoingHeaders) -> BackendError:
        return refusal.error(self.name, "POST", self._backend.http.peer.url, OWN_HEADERS + headers)


async def _nothing(_message: bytes) -> None:
    """There is no way to answer a server in this protocol."""
