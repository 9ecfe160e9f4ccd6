"""Programs that speak MCP 2026-07-28 over their standard streams: one for all clients, who say who they are."""

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from vmcp_proxy.backends.channel.shared import SharedSession
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.eras import NO_SESSIONS_SECONDS, Eras, refuses_revision
from vmcp_proxy.backends.errors import BackendError, Category, EraLostError, NotModernError
from vmcp_proxy.backends.interface import NOBODY, BackendSession, Receiver, Reply, Terms
from vmcp_proxy.backends.messages import code_of
from vmcp_proxy.backends.modern.envelope import Envelope
from vmcp_proxy.backends.modern.session import ModernSession
from vmcp_proxy.backends.stdio.session import StdioSession
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES, parse_discovery
from vmcp_proxy.protocol.jsonrpc import Request, Response
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.protocol.modern.envelope_keys import SUBSCRIPTION_ID
from vmcp_proxy.protocol.params import InvalidParamsError, Members
from vmcp_proxy.protocol.versions import MODERN

if TYPE_CHECKING:
    from vmcp_proxy.backends.stdio.backend import StdioBackend

_SILENCE_SECONDS: Final = 30.0
"""How long a program may take to come up and say that it speaks this; former ones may say nothing at all."""
_STREAM_SECONDS: Final = 30 * 86_400.0
"""The bound of a stream of news, after which the next one begins."""
_DISCOVER: Final = "server/discover"
_LISTEN: Final = "subscriptions/listen"


class ModernStdioBackend:
    """Starts one program beside those of `programs`, the first time that somebody wants it."""

    def __init__(
        self, programs: "StdioBackend", eras: Eras, patience: float, software_version: str, tasks: asyncio.TaskGroup
    ) -> None:
        self._programs: Final = programs
        self._eras: Final = eras
        self._version: Final = software_version
        self._shared = SharedSession(programs.name, self._start, lambda: "it has not come up yet", patience, tasks)

    async def open(
        self, terms: Terms, headers: OutgoingHeaders, deadline: Deadline, owner: object = None
    ) -> BackendSession:
        """See `Opens.open`."""
        del headers, owner
        program = await self._shared.get(deadline)
        way = _Channel(self._programs.name, program, self._eras)
        return ModernSession(way, terms, program.hello, Envelope(terms.capabilities, self._version))

    async def aclose(self) -> None:
        """Ends a start that goes on; the program ends with the others."""
        await self._shared.cancel()

    async def _start(self) -> StdioSession:
        try:
            return await self._programs.start(self._greet)
        except BackendError as error:
            # What has come up for a session, and ends now, ends for what it was asked.
            ends = error.category is Category.NOT_RUNNING and Era.LEGACY in self._eras.spoken
            if not ends and not isinstance(error, NotModernError):
                raise
            self._eras.missed(Era.MODERN, asyncio.get_running_loop().time() + NO_SESSIONS_SECONDS)
            raise self._not_modern(error.hint) from error

    async def _greet(self, program: StdioSession) -> None:
        body = Envelope(NO_CAPABILITIES, self._version).around({}, None)
        deadline = Deadline.after(asyncio.get_running_loop().time(), _SILENCE_SECONDS)
        try:
            answer = await program.request(program.next_id(), _DISCOVER, body, (), deadline, NOBODY)
            if answer.result is None:
                raise self._not_modern("it answered server/discover with an error")
            versions, program.hello = parse_discovery(answer.result)
        except InvalidParamsError:
            raise self._not_modern("its server/discover result is malformed") from None
        except BackendError as error:
            if error.category is Category.TIMEOUT:
                raise self._not_modern("it says nothing to server/discover") from error
            raise
        if MODERN not in versions:
            raise self._not_modern(f"it does not speak {MODERN}")

    def _not_modern(self, hint: str) -> NotModernError:
        return NotModernError(self._programs.name, Category.PROTOCOL, hint)


class _Channel:
    """The `Transport` of one client over the program of all."""

    __slots__ = ("_eras", "_program", "name")

    def __init__(self, name: str, program: StdioSession, eras: Eras) -> None:
        self.name: Final = name
        self._program: Final = program
        self._eras: Final = eras

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
            self._eras.forget()
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
            answer = await self.exchange(request_id, _LISTEN, members, envelope, headers, deadline, NOBODY, ())
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
