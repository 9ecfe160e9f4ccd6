"""Which resources a client has subscribed to, and whether it hears of an update."""

from typing import Final

import msgspec

from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.members.member import Member
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.methods import SUBSCRIBE, UNSUBSCRIBE
from vmcp_proxy.protocol.params import InvalidParamsError

SUBSCRIPTIONS: Final = frozenset({SUBSCRIBE, UNSUBSCRIBE})

MOST_SUBSCRIPTIONS: Final = 1024
"""Of one session at one backend; each costs memory here and is said again in a new backend session."""


def is_subscribed(client: ClientContext, member: Member, raw: msgspec.Raw | None) -> bool:
    """Whether an update of a resource is for this client.

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
