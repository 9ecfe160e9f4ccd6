"""One call of a client without a session that may be asked: what it is asked pauses the call."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends import unanswered
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Reply, Terms, refuse
from vmcp_proxy.backends.link import Link
from vmcp_proxy.clients.relayed_request import RelayedRequest
from vmcp_proxy.core.calls.pausing.running_call import RunningCall
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.client import BuiltView, ClientContext, NoReply, Tell
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.headerforward import Collision, HeaderSnapshot
from vmcp_proxy.protocol import params as raw_params
from vmcp_proxy.protocol.jsonrpc import Request, Response
from vmcp_proxy.protocol.modern.input_required import cleaned, lacking
from vmcp_proxy.protocol.params import InvalidParamsError

_NOBODYS: Final = b"null"


class Lease(Protocol):
    """Links of a client to its members that one call has for itself."""

    def link(self, member: Member) -> Link:
        """The one to a member."""

    def deadline_at(self, member: Member) -> Deadline | None:
        """That of the request at a member which what comes outside of requests can belong to alone."""


@dataclass(slots=True, eq=False)
class _Relayed:
    """A backend's question."""

    asker: RelayedRequest
    deadline: Deadline | None


class AskedClient:
    """A `ClientContext` for the length of one call; all but questions and links is that of `itself`.

    `has_room` says whether another call may wait for its client. Nobody asks who is not waited for any more.
    """

    def __init__(
        self,
        caller: Caller,
        call: RunningCall,
        lease: Lease,
        has_room: Callable[[], bool],
        send_later: Callable[[Reply, bytes], None],
    ) -> None:
        self.itself: Final[ClientContext] = caller.client
        self._call: Final = call
        self._lease: Final = lease
        self._has_room: Final = has_room
        self._send_later: Final = send_later
        self._relayed: Final[dict[str, _Relayed]] = {}

    @property
    def view(self) -> BuiltView | None:
        """See `ClientContext.view`."""
        return self.itself.view

    @view.setter
    def view(self, view: BuiltView | None) -> None:
        self.itself.view = view

    @property
    def subscriptions(self) -> dict[str, dict[str, Capability]]:
        """See `ClientContext.subscriptions`."""
        return self.itself.subscriptions

    @subscriptions.setter
    def subscriptions(self, subscriptions: dict[str, dict[str, Capability]]) -> None:
        self.itself.subscriptions = subscriptions

    @property
    def last_found(self) -> tuple[str, ...]:
        """See `ClientContext.last_found`."""
        return self.itself.last_found

    @last_found.setter
    def last_found(self, names: tuple[str, ...]) -> None:
        self.itself.last_found = names

    @property
    def identity(self) -> Identity:
        """See `ClientContext.identity`."""
        return self.itself.identity

    @property
    def terms(self) -> Terms:
        """See `ClientContext.terms`."""
        return self.itself.terms

    @property
    def audience(self) -> str:
        """See `ClientContext.audience`."""
        return self.itself.audience

    @property
    def log_level(self) -> str | None:
        """See `ClientContext.log_level`."""
        return self.itself.log_level

    @property
    def server_requests(self) -> Collection[int]:
        """See `ClientContext.server_requests`."""
        return range(len(self._relayed))

    def credentials_for(self, member: Member, identity: Identity, snapshot: HeaderSnapshot) -> Credentials | Collision:
        """See `ClientContext.credentials_for`."""
        return self.itself.credentials_for(member, identity, snapshot)

    def link(self, member: Member) -> Link:
        """See `ClientContext.link`: one that no other call goes over meanwhile."""
        return self._lease.link(member)

    def uri_of(self, backend: str) -> Callable[[str], str]:
        """See `ClientContext.uri_of`."""
        return self.itself.uri_of(backend)

    def handed_out_by(self, uri: str) -> str | None:
        """See `ClientContext.handed_out_by`."""
        return self.itself.handed_out_by(uri)

    def note_handed_out(self, uris: Iterable[str], backend: str) -> None:
        """See `ClientContext.note_handed_out`."""
        self.itself.note_handed_out(uris, backend)

    def hears(self, method: str) -> bool:
        """See `ClientContext.hears`."""
        return self.itself.hears(method)

    def shares_subscription(self, member: Member, uri: str) -> bool:
        """See `ClientContext.shares_subscription`."""
        return self.itself.shares_subscription(member, uri)

    def lists_changed(self, backend: str) -> None:
        """See `ClientContext.lists_changed`."""
        self.itself.lists_changed(backend)

    async def say(self, message: bytes, on_drop: Callable[[], None] | None = None) -> int | None:
        """See `ClientContext.say`."""
        return await self.itself.say(message, on_drop)

    async def ask(self, member: Member, request: Request, reply: Reply, tell: Tell, deadline: Deadline | None) -> None:
        """See `ClientContext.ask`: the question ends the client's request, and its next one has the answer."""
        del tell
        if request.method == "ping":
            await refuse(request, reply)
            return
        try:
            lack = lacking(request.method, request.params, self.terms.capabilities)
            params = cleaned(request.params)
        except InvalidParamsError:
            await reply(unanswered.malformed(request.id))
            return
        if lack is not None:
            await reply(unanswered.undeclared(request.id, lack))
            return
        asked = _Relayed(
            RelayedRequest(member, request, reply, self._send_later), deadline or self._lease.deadline_at(member)
        )
        key = self._call.ask(request.method, params, partial(self._answered, asked)) if self._has_room() else None
        if key is None:
            await reply(unanswered.crowded(request.id))
            return
        self._relayed[key] = asked
        if asked.deadline is not None:
            asked.deadline.hold()

    async def prompt(
        self, method: str, params: msgspec.Raw | None, tell: Tell, deadline: Deadline
    ) -> Response | NoReply:
        """See `ClientContext.prompt`."""
        del tell
        if lacking(method, params, self.terms.capabilities) is not None:
            return NoReply.UNDECLARED
        answer: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()

        async def on_answer(raw: msgspec.Raw) -> None:
            if not answer.done():
                answer.set_result(raw)

        key = self._call.ask(method, params, on_answer) if self._has_room() else None
        if key is None:
            return NoReply.CROWDED
        try:
            async with deadline.bound():
                return Response(_NOBODYS, await answer, None)
        except TimeoutError:
            return NoReply.OVERDUE
        finally:
            self._call.withdraw(key)

    async def withdrawn(self, member: Member, raw: msgspec.Raw | None) -> None:
        """See `ClientContext.withdrawn`: what has gone out already is answered for nothing."""
        try:
            backend_id = raw_params.parse_members(raw).get("requestId")
        except InvalidParamsError:
            return
        self._take_back(lambda asked: asked.asker.is_of(member, backend_id))

    async def abandon(self, deadline: Deadline) -> None:
        """See `ClientContext.abandon`."""
        self._take_back(lambda asked: asked.deadline is deadline)

    async def _answered(self, asked: _Relayed, raw: msgspec.Raw) -> None:
        self._take_back(lambda each: each is asked)
        await asked.asker.answered(Response(_NOBODYS, raw, None))

    def _take_back(self, is_meant: Callable[[_Relayed], bool]) -> None:
        for key, asked in [(key, each) for key, each in self._relayed.items() if is_meant(each)]:
            del self._relayed[key]
            self._call.withdraw(key)
            if asked.deadline is not None:
                asked.deadline.release(asyncio.get_running_loop().time())
