"""A request of a backend on its way to a client: the backend gets what becomes of it."""

from collections.abc import Callable
from typing import Final

import msgspec

from vmcp_proxy.backends import unanswered
from vmcp_proxy.backends.interface import Reply
from vmcp_proxy.core.client import NoReply
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.protocol.jsonrpc import Request, Response, encode_notification, encode_raw_error, encode_result
from vmcp_proxy.protocol.params import client_result


class RelayedRequest:
    """The `Asker` that stands for a backend; `send_later` sends what nobody can wait for."""

    __slots__ = ("_backend_id", "_member", "_reply", "_send_later")

    def __init__(
        self, member: Member, request: Request, reply: Reply, send_later: Callable[[Reply, bytes], None]
    ) -> None:
        self._member: Final = member
        self._backend_id: Final = request.id
        self._reply: Final = reply
        self._send_later: Final = send_later

    def is_of(self, member: Member, backend_id: msgspec.Raw | None) -> bool:
        """Whether it is the one that a backend knows by this id."""
        return self._member is member and backend_id is not None and self._backend_id == bytes(backend_id)

    async def answered(self, response: Response) -> None:
        """See `Asker.answered`."""
        if response.result is not None:
            await self._reply(encode_result(self._backend_id, client_result(response.result)))
        else:
            await self._reply(encode_raw_error(self._backend_id, response.error or b"{}"))

    async def progressed(self, body: bytes) -> None:
        """See `Asker.progressed`."""
        await self._reply(encode_notification("notifications/progress", body))

    def unanswered(self, why: NoReply) -> None:
        """See `Asker.unanswered`; a session that is over has none at the backend either."""
        if why is not NoReply.ENDED:
            self._send_later(self._reply, unanswered.overdue(self._backend_id))
