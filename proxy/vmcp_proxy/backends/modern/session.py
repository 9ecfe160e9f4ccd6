"""What stands for a session with a modern backend: every request says of itself what a session would."""

from typing import Final, Protocol

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import Receiver, Reply, Terms
from vmcp_proxy.backends.modern.envelope import Envelope
from vmcp_proxy.backends.modern.listening import Listening
from vmcp_proxy.backends.modern.results import ResultType, error_for_legacy, read_asked, result_for_legacy, type_of
from vmcp_proxy.backends.modern.rounds import Refused, Rounds, without_rounds
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.initialize import ServerHello
from vmcp_proxy.protocol.jsonrpc import Raw, Request, Response
from vmcp_proxy.protocol.kinds import WIRE
from vmcp_proxy.protocol.methods import SUBSCRIBE, UNSUBSCRIBE, Era
from vmcp_proxy.protocol.params import Members, marks_of

_ASKING: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""The methods whose results may ask for input."""
_LISTS: Final = frozenset(wire.list_method for wire in WIRE.values())
_NOTHING: Final = msgspec.Raw(b"{}")
_PING: Final = "ping"
_SET_LEVEL: Final = "logging/setLevel"
_SUBSCRIPTIONS: Final = frozenset({SUBSCRIBE, UNSUBSCRIBE})


class Transport(Protocol):
    """Carries modern requests to one backend."""

    @property
    def name(self) -> str:
        """That of the backend."""

    def next_id(self) -> int:
        """See `BackendSession.next_id`; unique among all that share the way to the backend."""

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
    ) -> Response:
        """Sends one request and waits for its answer; whoever stops waiting cancels it.

        Raises:
            EraLostError: the protocol is not spoken any more, and the request was not executed.
            BackendError: there is no answer.
        """

    async def probe(self, envelope: Envelope, headers: OutgoingHeaders, deadline: Deadline) -> None:
        """Asks for a sign of life.

        Raises:
            BackendError: there is none.
        """

    async def listen(
        self,
        request_id: int,
        wanted: Members,
        envelope: Envelope,
        headers: OutgoingHeaders,
        receiver: Receiver,
    ) -> bool:
        """Receives what the backend says outside of calls; see `BackendSession.listen`."""


class ModernSession:
    """A `BackendSession` on these terms; nothing of it is at the backend, so that there is nothing to resume or end."""

    __slots__ = ("_envelope", "_listening", "_terms", "_transport", "hello")

    token: Final = b""

    def __init__(self, transport: Transport, terms: Terms, hello: ServerHello, envelope: Envelope) -> None:
        self.hello: Final = hello
        self._transport: Final = transport
        self._terms: Final = terms
        self._envelope: Final = envelope
        self._listening: Final = Listening(hello.offers, self._receive)

    def __repr__(self) -> str:
        return f"<ModernSession {self._transport.name} {self._terms.era.value}>"

    def next_id(self) -> int:
        """See `BackendSession.next_id`."""
        return self._transport.next_id()

    def expect_stream(self) -> None:
        """See `BackendSession.expect_stream`."""
        self._listening.expect()

    async def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders = (),
    ) -> Response:
        """See `BackendSession.request`; what the protocol has no more is done here, or by what it has instead."""
        members = _members_of(params)
        if method == _PING:
            await self._transport.probe(self._envelope, headers, deadline)
        elif method in _SUBSCRIPTIONS:
            await self._listening.want(members, is_wanted=method == SUBSCRIBE, deadline=deadline)
        elif method != _SET_LEVEL:
            return await self._call(request_id, method, members, headers, deadline, receiver, extra)
        # The log level goes with each request: `Receiver.log_level`.
        return Response(b"%d" % request_id, _NOTHING, None)

    async def notify(self, method: str, params: Raw | None, headers: OutgoingHeaders) -> None:
        """See `BackendSession.notify`: there are none to say in this protocol."""

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`."""
        return await self._listening.run(headers, receiver)

    async def close(self, headers: OutgoingHeaders) -> None:
        """See `BackendSession.close`: the backend knows of no session."""

    async def _call(
        self,
        request_id: int,
        method: str,
        members: Members,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders,
    ) -> Response:
        """One request; its rounds too, where the receiver does not go through them."""
        await self._listening.opened()
        if self._terms.era is Era.LEGACY:
            members = without_rounds(members)
        rounds, number, sent, heard = None, request_id, members, _Unasked(receiver)
        while True:
            answer = await self._transport.exchange(
                number, method, sent, self._envelope, headers, deadline, heard, extra
            )
            if answer.result is None:
                return self._failed(answer)
            kind = type_of(marks_of(answer.result) if answer.marks is None else answer.marks)
            if kind is ResultType.COMPLETE:
                return self._completed(answer, answer.result, method)
            if kind is None or method not in _ASKING:
                raise self._odd("its result is of a type that is not known here")
            if receiver.takes_rounds:
                return answer
            asked = read_asked(answer.result)
            if asked is None:
                raise self._odd("it asks for input, and does not say which")
            rounds = rounds or Rounds(self._transport.name, self._terms.capabilities, receiver, deadline)
            replies = await rounds.replies(asked)
            if isinstance(replies, Refused):
                return Response(answer.id, None, replies.error)
            sent, number = members | replies, self.next_id()

    def _completed(self, answer: Response, result: Raw, method: str) -> Response:
        # Lists are made anew for clients, and what a server says of keeping them is for the proxy to know.
        if self._terms.era is Era.MODERN or method in _LISTS:
            return answer
        return Response(answer.id, msgspec.Raw(result_for_legacy(result)), None, answer.marks)

    def _failed(self, answer: Response) -> Response:
        if self._terms.era is Era.MODERN or answer.error is None:
            return answer
        return Response(answer.id, None, msgspec.Raw(error_for_legacy(answer.error)))

    async def _receive(self, wanted: Members, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        return await self._transport.listen(self.next_id(), wanted, self._envelope, headers, _Unasked(receiver))

    def _odd(self, hint: str) -> BackendError:
        return BackendError(self._transport.name, Category.PROTOCOL, hint)


class _Unasked:
    """Hears notifications alone: the protocol has no requests of servers, and no way to answer one."""

    __slots__ = ("_receiver", "log_level", "on_notification", "takes_rounds")

    def __init__(self, receiver: Receiver) -> None:
        self.log_level: Final = receiver.log_level
        self.takes_rounds: Final = receiver.takes_rounds
        self.on_notification: Final = receiver.on_notification

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""


def _members_of(raw: Raw | None) -> Members:
    return params.parse_members(raw)
