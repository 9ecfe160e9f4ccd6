"""Where a backend's messages for a client go: to the stream of the call they belong to, or to the session's own."""

from typing import Final

import msgspec

from vmcp_proxy.backends.client import Reply, refuse
from vmcp_proxy.core.attachments import Attachment
from vmcp_proxy.core.changes import Changes
from vmcp_proxy.core.members import Member
from vmcp_proxy.core.relay import relayed
from vmcp_proxy.core.virtual import Exchange
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.params import Members as RawMembers
from vmcp_proxy.protocol.params import outbound_meta


class SessionReceiver:
    """Hears what a backend says to one client session outside of calls."""

    __slots__ = ("_attachment", "_changes", "_member")

    def __init__(self, attachment: Attachment, member: Member, changes: Changes) -> None:
        self._attachment: Final = attachment
        self._member: Final = member
        self._changes: Final = changes

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        attachment, member = self._attachment, self._member
        self._changes.heard(method, member, attachment)
        message = relayed(method, params, backend=member.name, client_token=None, log_level=attachment.log_level)
        if message is not None and attachment.outbox is not None:
            attachment.outbox.put(message)

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        await refuse(request, reply)


class CallReceiver:
    """One call's way there and back: `members` are its params, `exchange` is the stream of the client's request.

    The backend gets a progress token of ours, the client its own one back.
    """

    __slots__ = ("_attachment", "_changes", "_exchange", "_member", "_members", "_token")

    def __init__(
        self, attachment: Attachment, member: Member, members: RawMembers, exchange: Exchange, changes: Changes
    ) -> None:
        self._attachment: Final = attachment
        self._member: Final = member
        self._members: Final = members
        self._exchange: Final = exchange
        self._changes: Final = changes
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
        attachment, member = self._attachment, self._member
        self._changes.heard(method, member, attachment)
        message = relayed(method, params, backend=member.name, client_token=self._token, log_level=attachment.log_level)
        if message is not None:
            await self._exchange.send(message)

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        await refuse(request, reply)
