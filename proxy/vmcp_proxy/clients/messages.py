"""What a client says besides requests: answers to a backend's requests, progress, changed roots, cancellation."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from vmcp_proxy.clients.links import Links
from vmcp_proxy.clients.server_requests import ServerRequests
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Message, Notification, Response, encode_notification
from vmcp_proxy.protocol.params import InvalidParamsError

if TYPE_CHECKING:
    from vmcp_proxy.clients.session_client import SessionClient
    from vmcp_proxy.sessions import Session

Forward: TypeAlias = Callable[[str, "Session", bytes], Awaitable[bool]]
"""Gives a client's message to the pod that waits for it; False where that pod is gone."""

ForwardToAll: TypeAlias = Callable[["Session", bytes], Awaitable[None]]
"""Gives a client's message to every other pod: any of them may be the one that it is for."""


class ClientMessages:
    """Routes each message to the backend it is for, through the pod that asked where that is another one."""

    def __init__(self, requests: ServerRequests, links: Links, forward: Forward, forward_to_all: ForwardToAll) -> None:
        self._requests: Final = requests
        self._links: Final = links
        self._forward: Final = forward
        self._forward_to_all: Final = forward_to_all

    async def answered(self, client: "SessionClient", response: Response, raw: bytes) -> bool:
        """Takes an answer; False where nobody can take it any more: its pod is gone, or it was never asked for."""
        owner = self._requests.owner(client, response.id)
        if owner is None:
            return False
        pod, number = owner
        if pod != self._requests.pod:
            return bool(raw) and await self._forward(pod, client.session, raw)
        await self._requests.answered(client, number, response)
        return True

    async def notified(self, client: "SessionClient", notification: Notification, raw: bytes) -> None:
        """Takes a notification; one that is malformed or for nobody is dropped, as notifications are."""
        try:
            match notification.method:
                case "notifications/cancelled":
                    await self._cancelled(client, notification, is_from_client=bool(raw))
                case "notifications/progress":
                    await self._progressed(client, notification, raw)
                case "notifications/roots/list_changed":
                    # It has no params but the client's `_meta`, whose baggage is this hop's.
                    await self._tell_all(client, notification.method)
        except InvalidParamsError:
            return

    async def delivered(self, client: "SessionClient", message: Message) -> None:
        """Takes a message that the client has sent to another pod."""
        if isinstance(message, Response):
            await self.answered(client, message, b"")
        elif isinstance(message, Notification):
            await self.notified(client, message, b"")

    async def _tell_all(self, client: "SessionClient", method: str) -> None:
        """Tells backends once at a time: however often a client says it meanwhile, they hear of it once more."""
        if method in client.untold:
            client.untold[method] = True
            return
        try:
            again = True
            while again:
                client.untold[method] = False
                await self._links.notify_all(client, method, None)
                again = client.untold[method]
        finally:
            del client.untold[method]

    async def _cancelled(self, client: "SessionClient", notification: Notification, *, is_from_client: bool) -> None:
        request_id = params.parse_members(notification.params).get("requestId")
        if request_id is None or client.cancel(bytes(request_id)) or not is_from_client:
            return
        # The call may be in flight at another pod; which one is nowhere to be found, so that calls need no store.
        body = params.encode_members({"requestId": request_id})
        await self._forward_to_all(client.session, encode_notification(notification.method, body))

    async def _progressed(self, client: "SessionClient", notification: Notification, raw: bytes) -> None:
        members = params.parse_members(notification.params)
        token = members.get("progressToken")
        owner = None if token is None else self._requests.owner(client, token)
        if owner is None:
            return
        pod, number = owner
        if pod == self._requests.pod:
            await self._requests.progressed(client, number, members)
        elif raw:
            await self._forward(pod, client.session, raw)
