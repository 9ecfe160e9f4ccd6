"""What the clients of this process share: the ways to backends, to the clients themselves and to other pods."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Reply
from vmcp_proxy.backends.link import Link
from vmcp_proxy.clients.links import Links
from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.clients.server_requests import ServerRequests
from vmcp_proxy.clients.session_client import SessionClient
from vmcp_proxy.clients.streaming.session_stream import SessionStream
from vmcp_proxy.core.client import NoReply, Tell
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.protocol.jsonrpc import Request, Response


@dataclass(frozen=True, slots=True)
class SessionServices:
    """See `Services`; `tell_changed` lets the other pods know that one backend's lists are others for a client."""

    clients: SessionClients
    links: Links
    requests: ServerRequests
    stream: SessionStream
    tell_changed: Callable[[SessionClient, str], None]

    def open_link(self, client: SessionClient, member: Member) -> Link:
        """See `Services.open_link`."""
        return self.links.of(client, member)

    def shares_subscription(self, client: SessionClient, member: Member, uri: str) -> bool:
        """See `Services.shares_subscription`."""
        link = client.links.get(member.name)
        session = link.session if link is not None else None
        if session is None:
            return False
        for other in self.clients.all():
            if other is client or uri not in other.subscriptions.get(member.name, ()):
                continue
            theirs = other.links.get(member.name)
            if theirs is not None and theirs.session is session:
                return True
        return False

    def lists_changed(self, client: SessionClient, backend: str) -> None:
        """See `Services.lists_changed`."""
        self.tell_changed(client, backend)

    async def say(self, client: SessionClient, message: bytes, on_drop: Callable[[], None] | None) -> int | None:
        """See `Services.say`."""
        return await self.stream.say(client, message, on_drop)

    async def ask(
        self,
        client: SessionClient,
        member: Member,
        request: Request,
        reply: Reply,
        tell: Tell,
        deadline: Deadline | None,
    ) -> None:
        """See `Services.ask`."""
        await self.requests.ask(client, member, request, reply, tell, deadline)

    async def prompt(
        self, client: SessionClient, method: str, params: msgspec.Raw | None, tell: Tell, deadline: Deadline
    ) -> Response | NoReply:
        """See `Services.prompt`."""
        return await self.requests.prompt(client, method, params, tell, deadline)

    async def withdrawn(self, client: SessionClient, member: Member, raw: msgspec.Raw | None) -> None:
        """See `Services.withdrawn`."""
        await self.requests.withdrawn(client, member, raw)

    async def abandon(self, client: SessionClient, deadline: Deadline) -> None:
        """See `Services.abandon`."""
        await self.requests.abandon(client, deadline)
