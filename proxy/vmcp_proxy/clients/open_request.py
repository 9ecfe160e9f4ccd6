"""One request of a backend that waits for a client's answer."""

import asyncio
from dataclasses import dataclass, field

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Reply
from vmcp_proxy.core.client import Tell
from vmcp_proxy.core.members.member import Member


@dataclass(slots=True, eq=False)
class ServerRequest:
    """One open request: whom it came from, and how either side is told of it."""

    client_id: str
    member: Member
    backend_id: bytes
    progress_token: msgspec.Raw | None
    reply: Reply = field(repr=False)
    tell: Tell = field(repr=False)
    deadline: Deadline | None
    expiry: asyncio.TimerHandle | None = None
    ticket: int | None = None
