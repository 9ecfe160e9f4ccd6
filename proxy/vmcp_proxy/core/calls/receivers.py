"""Where a backend's messages for a client go: to the stream of the call they belong to, or to the session's own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from vmcp_proxy.backends.interface import Deadline, Reply
from vmcp_proxy.core.calls.invalidation import Changes
from vmcp_proxy.core.clients.notifications import CANCELLED, RESOURCE_UPDATED, relayed
from vmcp_proxy.core.clients.server_requests import ServerRequests
from vmcp_proxy.core.clients.session_client import SessionClient
from vmcp_proxy.core.clients.session_stream import SessionStream
from vmcp_proxy.core.clients.subscriptions import is_subscribed
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.core.virtual import Exchange
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.params import Members as RawMembers
from vmcp_proxy.protocol.params import outbound_meta


@dataclass(frozen=True, slots=True)
class Ways:
    """What receivers share: the ways to a client and into the catalog."""

    changes: Changes
    requests: ServerRequests
    stream: SessionStream


class SessionReceiver:
    """Hears what a backend says to one client session outside of calls."""

    __slots__ = ("_client", "_member", "_ways")

    def __init__(self, client: SessionClient, member: Member, ways: Ways) -> None:
        self._client: Final = client
        self._member: Final = member
        self._ways: Final = ways

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        client, member = self._client, self._member
        self._ways.changes.heard(method, member, client)
        if method == CANCELLED:
            await self._ways.requests.withdrawn(client, member, params)
        elif method != RESOURCE_UPDATED or is_subscribed(client, member, params):
            message = relayed(
                method,
                params,
                backend=member.name,
                client_token=None,
                log_level=client.log_level,
                uri_of=client.uri_of(member.name),
            )
            if message is not None:
                await self._ways.stream.say(self._client, message)

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        await self._ways.requests.ask(self._client, self._member, request, reply, self._say, None)

    async def _say(self, message: bytes, on_drop: Callable[[], None] | None) -> int | None:
        return await self._ways.stream.say(self._client, message, on_drop)


class CallReceiver:
    """One call's way there and back: `members` are its params, `exchange` is the stream of the client's request.

    The backend gets a progress token of ours, the client its own one back. What a client cannot take on the
    call's stream goes to the session's own.
    """

    __slots__ = ("_client", "_deadline", "_exchange", "_member", "_members", "_token", "_ways")

    def __init__(
        self,
        client: SessionClient,
        member: Member,
        members: RawMembers,
        exchange: Exchange,
        deadline: Deadline,
        ways: Ways,
    ) -> None:
        self._client: Final = client
        self._member: Final = member
        self._members: Final = members
        self._exchange: Final = exchange
        self._deadline: Final = deadline
        self._ways: Final = ways
        self._token: msgspec.Raw | None = None

    def params_for(self, request_id: int) -> bytes:
        """The params as the backend gets them, with `request_id` as progress token where the client gave one."""
        if "_meta" not in self._members:
            return params.encode_members(self._members)
        copy = dict(self._members)
        self._token = outbound_meta(copy, request_id)
        return params.encode_members(copy)

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        client, member = self._client, self._member
        self._ways.changes.heard(method, member, client)
        if method == CANCELLED:
            await self._ways.requests.withdrawn(client, member, params)
        elif method != RESOURCE_UPDATED or is_subscribed(client, member, params):
            message = relayed(
                method,
                params,
                backend=member.name,
                client_token=self._token,
                log_level=client.log_level,
                uri_of=client.uri_of(member.name),
            )
            if message is not None:
                await self._exchange.send(message)

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        await self._ways.requests.ask(self._client, self._member, request, reply, self._ask, self._deadline)

    async def close(self) -> None:
        """Takes back what the client has not answered: the call is over."""
        if self._client.server_requests:
            await self._ways.requests.abandon(self._client, self._deadline)

    async def _ask(self, message: bytes, on_drop: Callable[[], None] | None) -> int | None:
        if not self._exchange.takes_messages:
            return await self._ways.stream.say(self._client, message, on_drop)
        await self._exchange.send(message, on_drop)
        return None
