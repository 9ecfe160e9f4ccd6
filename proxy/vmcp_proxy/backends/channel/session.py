"""What every session over one channel is: the ids of its requests, and its conversation."""

import itertools

from vmcp_proxy.backends.channel.conversation import Channel, Conversation
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Receiver
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.initialize import ServerHello
from vmcp_proxy.protocol.jsonrpc import Raw


class ChannelSession(Channel):
    """A `BackendSession` but for its end; the subclass is the channel. Nothing can resume it: it dies with that."""

    token = b""

    def __init__(self, backend: str, *, is_shared: bool, first_id: int = 1) -> None:
        self.hello = ServerHello("", frozenset(), None)
        self._backend = backend
        self._ids = itertools.count(first_id)
        self._conversation = Conversation(backend, self, is_shared=is_shared)

    def next_id(self) -> int:
        """See `BackendSession.next_id`."""
        return next(self._ids)

    def expect_stream(self) -> None:
        """See `BackendSession.expect_stream`: what carries the answers carries the rest, and is there."""

    async def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders = (),
    ) -> jsonrpc.Response:
        """See `BackendSession.request`."""
        return await self._conversation.request(request_id, method, params, headers, deadline, receiver, extra)

    async def notify(self, method: str, params: Raw | None, headers: OutgoingHeaders) -> None:
        """See `BackendSession.notify`."""
        await self.send(jsonrpc.encode_notification(method, params), headers)

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`: on the same channel, beside the calls."""
        return await self._conversation.listen(headers, receiver)

    async def idle(self) -> None:
        """Waits for the calls in flight."""
        await self._conversation.idle()
