"""One request that waits for a client's answer, whoever asks."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.core.client import NoReply, Tell
from vmcp_proxy.protocol.jsonrpc import Response


class Asker(Protocol):
    """Whoever has asked the client something; it hears once what became of it."""

    async def answered(self, response: Response) -> None:
        """Takes the client's answer, whatever it is."""

    async def progressed(self, body: bytes) -> None:
        """Takes the client's progress, under the asker's own token; only who gave one hears of any."""

    def unanswered(self, why: NoReply) -> None:
        """Hears that there will be no answer, unless the asker itself has withdrawn."""


@dataclass(slots=True, eq=False)
class OpenRequest:
    """One open request: who asks, and how the client is told."""

    client_id: str
    asker: Asker
    progress_token: msgspec.Raw | None
    tell: Tell
    deadline: Deadline | None
    expiry: asyncio.TimerHandle | None = None
    ticket: int | None = None
