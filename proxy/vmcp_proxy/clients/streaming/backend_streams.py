"""The streams on which backends say what belongs to no call, read for as long as somebody is to hear it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.backends.interface import BackendSession, Receiver
from vmcp_proxy.backends.link import Link
from vmcp_proxy.core.calls.hearing import Hearing
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.headerforward import Collision
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.methods import SUBSCRIBE

_OPEN_SECONDS: Final = 10.0
_PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 30.0)
"""How long a stream that ended is left alone, in seconds, the longer the more often it could not be had."""


def soon() -> Deadline:
    """The bound of what no client waits for."""
    return Deadline.after(asyncio.get_running_loop().time(), _OPEN_SECONDS)


async def listen_to_backend(
    link: Link,
    receiver: Receiver,
    credentials_now: Callable[[], Credentials | Collision],
    *,
    may_hear: Callable[[], bool],
    goes_on: Callable[[], bool],
) -> bool:
    """Listens until `goes_on` is False at the end of a stream, or nothing may be heard any more.

    Returns False where the session has no such stream.
    """
    loop = asyncio.get_running_loop()
    failures = 0
    while may_hear():
        credentials = credentials_now()
        if isinstance(credentials, Collision):
            return True
        began = loop.time()
        try:
            if not await link.listen(credentials, receiver, soon()):
                return False
        except BackendError:
            failures += 1
        if loop.time() - began > _PAUSES[-1]:
            failures = 0
        if not goes_on():
            return True
        await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
    return True


async def subscribe_again(
    client: ClientContext,
    member: Member,
    link: Link,
    session: BackendSession,
    uris: Iterable[str],
    credentials: Credentials | Collision,
    receiver: Receiver,
    hearing: Hearing,
) -> None:
    """Says the client's subscriptions in a backend session that took the place of another."""
    if isinstance(credentials, Collision):
        return
    for uri in uris:
        if not await hearing.may_read(client, member, uri):
            client.subscriptions[member.name].pop(uri, None)
            continue
        body = params.encode_members({"uri": params.raw_text(uri)})
        try:
            await link.ask(session, SUBSCRIBE, body, credentials, receiver, soon())
        except BackendError:
            return
