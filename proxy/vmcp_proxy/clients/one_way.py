"""What a `ClientContext` does for a client that nothing can be asked of: there is no way back to it (ADR-0059)."""

from collections.abc import Collection

import msgspec

from vmcp_proxy.backends import unanswered
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Reply, refuse
from vmcp_proxy.core.client import NoReply, Tell
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.protocol.jsonrpc import Request, Response
from vmcp_proxy.protocol.methods import NO_RECORDS


class OneWay:
    """The part of a `ClientContext` that refuses whatever takes an answer, or another pod that holds something."""

    __slots__ = ()

    @property
    def log_level(self) -> str:
        """See `ClientContext.log_level`: records belong to requests, and each of them says its own level."""
        return NO_RECORDS

    @property
    def server_requests(self) -> Collection[int]:
        """See `ClientContext.server_requests`."""
        return ()

    def shares_subscription(self, member: Member, uri: str) -> bool:
        """See `ClientContext.shares_subscription`: it has sessions of its own."""
        del member, uri
        return False

    def lists_changed(self, backend: str) -> None:
        """See `ClientContext.lists_changed`: no other pod holds anything for it."""

    async def ask(self, member: Member, request: Request, reply: Reply, tell: Tell, deadline: Deadline | None) -> None:
        """See `ClientContext.ask`."""
        del member, tell, deadline
        if request.method == "ping":
            await refuse(request, reply)
        else:
            await reply(unanswered.no_way_back(request.id))

    async def prompt(
        self, method: str, params: msgspec.Raw | None, tell: Tell, deadline: Deadline
    ) -> Response | NoReply:
        """See `ClientContext.prompt`."""
        del method, params, tell, deadline
        return NoReply.UNDECLARED

    async def withdrawn(self, member: Member, raw: msgspec.Raw | None) -> None:
        """See `ClientContext.withdrawn`."""

    async def abandon(self, deadline: Deadline) -> None:
        """See `ClientContext.abandon`."""
