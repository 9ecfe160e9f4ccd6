"""Which resources a client session has subscribed to: who hears of an update, and when a backend is told."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from vmcp_proxy.core.members.member import Member
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.params import InvalidParamsError

if TYPE_CHECKING:
    from vmcp_proxy.core.clients.session_client import SessionClient

SUBSCRIBE: Final = "resources/subscribe"
UNSUBSCRIBE: Final = "resources/unsubscribe"
SUBSCRIPTIONS: Final = frozenset({SUBSCRIBE, UNSUBSCRIBE})

MOST_SUBSCRIPTIONS: Final = 1024
"""Of one session at one backend; each costs memory here and is said again in a new backend session."""


def is_subscribed(client: "SessionClient", member: Member, raw: msgspec.Raw | None) -> bool:
    """Whether an update of a resource is for this session.

    A server that has a session for each client tells only those that asked, perhaps through another pod. A
    program is one session for many clients.
    """
    if member.backend.takes_headers:
        return True
    try:
        uri = params.text_of(params.parse_members(raw), "uri")
    except InvalidParamsError:
        return False
    return uri in client.subscriptions.get(member.name, ())


def is_shared(client: "SessionClient", member: Member, uri: str, others: Iterable["SessionClient"]) -> bool:
    """Whether another session relies on the same subscription, because both speak to one program."""
    link = client.links.get(member.name)
    session = link.session if link is not None else None
    if session is None:
        return False
    for other in others:
        if other is client or uri not in other.subscriptions.get(member.name, ()):
            continue
        theirs = other.links.get(member.name)
        if theirs is not None and theirs.session is session:
            return True
    return False
