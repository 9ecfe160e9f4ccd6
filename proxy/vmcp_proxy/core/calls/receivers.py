"""Where a backend's messages for a client go: to the stream of the call they belong to, or to the session's own."""

from collections.abc import Callable
from typing import Final

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Reply, refuse
from vmcp_proxy.core.calls.hearing import Hearing
from vmcp_proxy.core.calls.invalidation import Changes
from vmcp_proxy.core.calls.notifications import CANCELLED, RESOURCE_UPDATED, relayed
from vmcp_proxy.core.client import ClientContext, Tell
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.virtual import Exchange
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.protocol.params import Members as RawMembers
from vmcp_proxy.protocol.params import outbound_meta


class ClientReceiver:
    """Hears what a backend says to one client outside of calls."""

    __slots__ = ("_changes", "_client", "_hearing", "_member")

    def __init__(self, client: ClientContext, member: Member, changes: Changes, hearing: Hearing) -> None:
        self._client: Final = client
        self._member: Final = member
        self._changes: Final = changes
        self._hearing: Final = hearing

    takes_rounds: Final = False

    @property
    def log_level(self) -> str | None:
        """See `Receiver.log_level`."""
        return self._client.log_level

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        client, member = self._client, self._member
        self._changes.heard(method, member, client)
        if method == CANCELLED:
            await client.withdrawn(member, params)
        elif not self._hearing.reaches(client, member.name):
            return
        elif method != RESOURCE_UPDATED or await self._hearing.hears_update(client, member, params):
            message = relayed(
                method,
                params,
                backend=member.name,
                client_token=None,
                log_level=client.log_level,
                uri_of=client.uri_of(member.name),
            )
            if message is not None:
                await client.say(message)

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        if not self._hearing.reaches(self._client, self._member.name):
            await refuse(request, reply)
            return
        await self._client.ask(self._member, request, reply, self._client.say, None)


class CallReceiver:
    """One call's way there and back: `members` are its params, `exchange` is the stream of the client's request.

    The backend gets a progress token of ours, the client its own one back. A question that a client cannot
    take on the call's stream goes where what belongs to no call goes; a notification is dropped. The call has been
    admitted: what belongs to it is relayed to its end. `context` goes into `_meta` in place of the trace context that
    stands there; None leaves that as it came. `log_level` is that of the request; None where the client's own counts.
    `is_inner` is a call of the proxy's own on the client's behalf. `request_id` is the last one at the backend, 0
    before there is any.
    """

    __slots__ = (
        "_changes",
        "_client",
        "_context",
        "_deadline",
        "_exchange",
        "_hearing",
        "_is_inner",
        "_log_level",
        "_member",
        "_members",
        "_token",
        "request_id",
    )

    def __init__(
        self,
        client: ClientContext,
        member: Member,
        members: RawMembers,
        exchange: Exchange,
        deadline: Deadline,
        changes: Changes,
        hearing: Hearing,
        context: msgspec.Raw | None = None,
        log_level: str | None = None,
        *,
        is_inner: bool = False,
    ) -> None:
        self._log_level: Final = log_level
        self._client: Final = client
        self._member: Final = member
        self._members: Final = members
        self._context: Final = context
        self.request_id = 0
        self._exchange: Final = exchange
        self._deadline: Final = deadline
        self._changes: Final = changes
        self._hearing: Final = hearing
        self._is_inner: Final = is_inner
        self._token: msgspec.Raw | None = None

    @property
    def log_level(self) -> str | None:
        """See `Receiver.log_level`."""
        return self._log_level or self._client.log_level

    @property
    def takes_rounds(self) -> bool:
        """See `Receiver.takes_rounds`: a modern client does, for its own calls."""
        return not self._is_inner and self._client.terms.era is Era.MODERN

    def params_for(self, request_id: int) -> bytes:
        """The params as the backend gets them, with `request_id` as progress token where the client gave one."""
        self.request_id = request_id
        members, context = self._members, self._context
        if "_meta" not in members:
            return params.encode_members(members if context is None else {**members, "_meta": context})
        copy = dict(members)
        self._token = outbound_meta(copy, request_id, context)
        return params.encode_members(copy)

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        client, member = self._client, self._member
        self._changes.heard(method, member, client)
        if method == CANCELLED:
            await client.withdrawn(member, params)
        elif not client.hears(method):
            return
        elif method != RESOURCE_UPDATED or await self._hearing.hears_update(client, member, params):
            message = relayed(
                method,
                params,
                backend=member.name,
                client_token=self._token,
                log_level=self.log_level,
                uri_of=client.uri_of(member.name),
            )
            if message is not None:
                await self._exchange.send(message)

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        tell = tell_during(self._exchange, self._client)
        await self._client.ask(self._member, request, reply, tell, self._deadline)

    async def close(self) -> None:
        """Takes back what the client has not answered: the call is over."""
        if self._client.server_requests:
            await self._client.abandon(self._deadline)


def tell_during(exchange: Exchange, client: ClientContext) -> Tell:
    """How the client is told what belongs to a call and may not be lost: on the call's stream, where it takes any."""

    async def tell(message: bytes, on_drop: Callable[[], None] | None) -> int | None:
        if not exchange.takes_messages:
            return await client.say(message, on_drop)
        await exchange.send(message, on_drop)
        return None

    return tell
