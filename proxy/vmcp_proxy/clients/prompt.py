"""A question of the proxy's own to a client, which waits for the answer."""

import asyncio
from typing import Final

from vmcp_proxy.core.client import NoReply
from vmcp_proxy.protocol.jsonrpc import Response


class Prompt:
    """The `Asker` that stands for a layer of the core; `reply` has what becomes of the question."""

    __slots__ = ("reply",)

    def __init__(self) -> None:
        self.reply: Final[asyncio.Future[Response | NoReply]] = asyncio.get_running_loop().create_future()

    async def answered(self, response: Response) -> None:
        """See `Asker.answered`."""
        self._settle(response)

    async def progressed(self, body: bytes) -> None:
        """See `Asker.progressed`: it has asked for none."""

    def unanswered(self, why: NoReply) -> None:
        """See `Asker.unanswered`."""
        self._settle(why)

    def _settle(self, reply: Response | NoReply) -> None:
        if not self.reply.done():
            self.reply.set_result(reply)
