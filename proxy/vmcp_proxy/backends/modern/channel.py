"""MCP 2026-07-28 on a channel that all clients share, such as the standard streams of a process."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.eras import refuses_revision
from vmcp_proxy.backends.errors import BackendError, Category, EraLostError
from vmcp_proxy.backends.interface import NOBODY, BackendSession, Receiver, Reply
from vmcp_proxy.backends.messages import code_of
from vmcp_proxy.backends.modern.envelope import Envelope
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Request, Response
from vmcp_proxy.protocol.methods import LISTEN
from vmcp_proxy.protocol.modern.envelope_keys import SUBSCRIPTION_ID
from vmcp_proxy.protocol.params import InvalidParamsError, Members

_STREAM_SECONDS: Final = 30 * 86_400.0
"""The bound of a stream of news, after which the next one begins."""
_DISCOVER: Final = "server/discover"


class ChannelTransport:
    """The `Transport` of one client over the channel of all; `on_refused` hears that this is not spoken any more."""

    __slots__ = ("_on_refused", "_program", "name")

    def __init__(self, name: str, program: BackendSession, on_refused: Callable[[], None]) -> None:
        self.name: Final = name
        self._program: Final = program
        self._on_refused: Final = on_refused

    def next_id(self) -> int:
        """See `Transport.next_id`."""
        return self._program.next_id()

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
        """See `Transport.exchange`."""
        body = envelope.around(members, receiver.log_level)
        answer = await self._program.request(request_id, method, body, headers, deadline, receiver, extra)
        if answer.error is not None and refuses_revision(code_of(answer.error)):
            self._on_refused()
            raise EraLostError(BackendError(self.name, Category.REFUSED, "it refuses the revision that it spoke"))
        return answer

    async def probe(self, envelope: Envelope, headers: OutgoingHeaders, deadline: Deadline) -> None:
        """See `Transport.probe`."""
        await self.exchange(self.next_id(), _DISCOVER, {}, envelope, headers, deadline, NOBODY, ())

    async def listen(
        self, request_id: int, wanted: Members, envelope: Envelope, headers: OutgoingHeaders, receiver: Receiver
    ) -> bool:
        """See `Transport.listen`: what comes by other clients' subscriptions is not for this one."""
        members: Members = {"notifications": msgspec.Raw(params.encode_members(wanted))}
        deadline = Deadline.after(asyncio.get_running_loop().time(), _STREAM_SECONDS)
        hearing = asyncio.ensure_future(self._program.listen(headers, _Subscribed(receiver, request_id)))
        try:
            # It hears before it subscribes: the first thing to hear is that the subscription is in force.
            await asyncio.sleep(0)
            answer = await self.exchange(request_id, LISTEN, members, envelope, headers, deadline, NOBODY, ())
        finally:
            hearing.cancel()
            await asyncio.wait((hearing,))
            if not hearing.cancelled():
                hearing.exception()
        return answer.result is not None


class _Subscribed:
    """Hears what comes by one subscription, of which there are many on the same channel."""

    __slots__ = ("_number", "_receiver", "log_level", "takes_rounds")

    def __init__(self, receiver: Receiver, request_id: int) -> None:
        self._receiver: Final = receiver
        self._number: Final = b"%d" % request_id
        self.log_level: Final = receiver.log_level
        self.takes_rounds: Final = receiver.takes_rounds

    async def on_notification(self, method: str, raw: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        try:
            number = params.parse_members(params.parse_members(raw).get("_meta")).get(SUBSCRIPTION_ID, b"")
        except InvalidParamsError:
            return
        if bytes(number).strip(b'"') == self._number:
            await self._receiver.on_notification(method, raw)

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
