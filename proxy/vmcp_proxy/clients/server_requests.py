"""Requests that wait for a client's answer, of backends and of our own: sampling, elicitation, roots (ADR-0027).

A request gets an id of ours on its way to the client. The answer may reach any pod, so the id says, sealed and
bound to the session, which pod knows whom to give it to.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from vmcp_proxy.backends import unanswered
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Reply, refuse
from vmcp_proxy.clients.open_request import Asker, OpenRequest
from vmcp_proxy.clients.prompt import Prompt
from vmcp_proxy.clients.questions import encode_cancelled, encode_question, undeclared
from vmcp_proxy.clients.relayed_request import RelayedRequest
from vmcp_proxy.core.client import NoReply, Tell
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Request, Response
from vmcp_proxy.protocol.params import InvalidParamsError

if TYPE_CHECKING:
    from vmcp_proxy.clients.session_client import SessionClient
    from vmcp_proxy.sessions import Session

MOST_OPEN: Final = 256
"""Requests that may wait for one client at a time; people answer a few, and a backend may ask without end."""

_FAREWELL_SECONDS: Final = 1.0
"""How long a call that is over may wait until its client has been told not to answer."""


class Ids(Protocol):
    """Makes and reads the ids that requests carry towards clients."""

    def mint(self, session: "Session", number: int) -> str:
        """An id that names this pod and `number`, good for this session only."""

    def read(self, session: "Session", text: str) -> tuple[str, int] | None:
        """The pod and the number; None where the id was not made for this session."""


class ServerRequests:
    """Opens, settles and withdraws requests; each client holds its own open ones.

    `maximum` bounds, in seconds, the wait of a request that no call stands behind.
    """

    def __init__(self, tasks: asyncio.TaskGroup, pod: str, ids: Ids, maximum: Callable[[], float]) -> None:
        self._tasks: Final = tasks
        self.pod: Final = pod
        self._ids: Final = ids
        self._maximum: Final = maximum
        self._last = 0

    async def ask(
        self,
        client: "SessionClient",
        member: Member,
        request: Request,
        reply: Reply,
        tell: Tell,
        deadline: Deadline | None,
    ) -> None:
        """Relays a backend's request to the client, or answers it here; the call behind it is known by `deadline`."""
        session = client.session
        if session.ended is not None or request.method == "ping":
            await refuse(request, reply)
            return
        if (capability := undeclared(request.method, session.client_capabilities)) is not None:
            await reply(unanswered.undeclared(request.id, capability))
            return
        if len(client.server_requests) >= MOST_OPEN:
            await reply(unanswered.crowded(request.id))
            return
        await self._open(client, request, RelayedRequest(member, request, reply, self._send_later), tell, deadline)

    async def prompt(
        self, client: "SessionClient", method: str, raw: msgspec.Raw | None, tell: Tell, deadline: Deadline
    ) -> Response | NoReply:
        """See `ClientContext.prompt`."""
        session = client.session
        if session.ended is not None:
            return NoReply.ENDED
        if undeclared(method, session.client_capabilities) is not None:
            return NoReply.UNDECLARED
        if len(client.server_requests) >= MOST_OPEN:
            return NoReply.CROWDED
        prompt = Prompt()
        try:
            async with deadline.bound():
                await self._open(client, Request(b"null", method, raw), prompt, tell, deadline)
                return await prompt.reply
        except TimeoutError:
            return NoReply.OVERDUE
        finally:
            await self.abandon(client, deadline)

    async def _open(
        self, client: "SessionClient", request: Request, asker: Asker, tell: Tell, deadline: Deadline | None
    ) -> None:
        """Puts a request to the client; its own id is replaced by one of ours."""
        self._last += 1
        number = self._last
        client_id = self._ids.mint(client.session, number)
        message, token = encode_question(request, client_id)
        opened = OpenRequest(client_id, asker, token, tell, deadline)
        client.server_requests[number] = opened

        def give_up() -> None:
            if _pop(client, number) is not None:
                asker.unanswered(NoReply.OVERDUE if client.session.ended is None else NoReply.ENDED)

        if deadline is not None:
            deadline.hold()
        else:
            opened.expiry = asyncio.get_running_loop().call_later(self._maximum(), give_up)
        opened.ticket = await tell(message, give_up)

    def _send_later(self, reply: Reply, answer: bytes) -> None:
        self._tasks.create_task(_send(reply, answer), name="give up a request to a client")

    def owner(self, client: "SessionClient", raw_id: bytes | msgspec.Raw) -> tuple[str, int] | None:
        """The pod and the number in an id or progress token that the client sent; None where it is none of ours."""
        try:
            text = msgspec.json.decode(raw_id, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return self._ids.read(client.session, text)

    async def answered(self, client: "SessionClient", number: int, response: Response) -> None:
        """Gives the client's answer to whoever asked; one that comes too late is dropped, as MCP allows."""
        opened = _pop(client, number)
        if opened is not None:
            await opened.asker.answered(response)

    async def progressed(self, client: "SessionClient", number: int, members: params.Members) -> None:
        """Gives the client's progress to whoever asked, under the asker's own token."""
        opened = client.server_requests.get(number)
        if opened is None or opened.progress_token is None:
            return
        if opened.deadline is not None:
            opened.deadline.extend(asyncio.get_running_loop().time())
        # A trace and its baggage are cleaned where they go on with calls; of progress nothing but itself goes on.
        members = {name: value for name, value in members.items() if name.casefold() != "_meta"}
        await opened.asker.progressed(params.encode_members(members | {"progressToken": opened.progress_token}))

    async def withdrawn(self, client: "SessionClient", member: Member, raw: msgspec.Raw | None) -> None:
        """Hears that a backend has cancelled a request of its own, and tells the client."""
        try:
            backend_id = params.parse_members(raw).get("requestId")
        except InvalidParamsError:
            return
        for number, opened in list(client.server_requests.items()):
            if isinstance(opened.asker, RelayedRequest) and opened.asker.is_of(member, backend_id):
                _pop(client, number)
                await _take_back(client, opened, "The server cancelled the request.")

    async def abandon(self, client: "SessionClient", deadline: Deadline) -> None:
        """Tells the client not to answer any more: the call with this deadline is over.

        Also what the client was being asked when the call ended is forgotten; a client that reads nothing is not
        waited for.
        """
        mine = [number for number, opened in client.server_requests.items() if opened.deadline is deadline]
        taken = [opened for number in mine if (opened := _pop(client, number)) is not None]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                for opened in taken:
                    await _take_back(client, opened, "The call that needed this is over.")


def _pop(client: "SessionClient", number: int) -> OpenRequest | None:
    opened = client.server_requests.pop(number, None)
    if opened is None:
        return None
    if opened.expiry is not None:
        opened.expiry.cancel()
    if opened.deadline is not None:
        opened.deadline.release(asyncio.get_running_loop().time())
    return opened


async def _take_back(client: "SessionClient", opened: OpenRequest, reason: str) -> None:
    """Tells the client not to answer, unless it has not even been asked."""
    if opened.ticket is None or not client.stream.outbox.discard(opened.ticket):
        await opened.tell(encode_cancelled(opened.client_id, reason), None)


async def _send(reply: Reply, answer: bytes) -> None:
    await reply(answer)


def forget_all(client: "SessionClient") -> None:
    """Drops every open request of a session that has ended."""
    for number in list(client.server_requests):
        opened = _pop(client, number)
        if opened is not None:
            opened.asker.unanswered(NoReply.ENDED)
