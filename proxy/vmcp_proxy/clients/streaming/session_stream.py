"""The session's own stream, whichever pod the client holds it with."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from vmcp_proxy.clients.session_client import SessionClient
    from vmcp_proxy.sessions import Session

Elsewhere: TypeAlias = Callable[["Session", bytes], Awaitable[bool]]
"""Gives a message to the pod that holds the session's stream; False where no other pod has taken it."""


WaitsHere: TypeAlias = Callable[["Session"], Awaitable[None]]
"""Lets the pod that the client will listen to know that something waits here."""


class SessionStream:
    """Says what belongs to no call in flight: here, on another pod, or as soon as the client listens."""

    def __init__(self, elsewhere: Elsewhere, waits_here: WaitsHere) -> None:
        self._elsewhere: Final = elsewhere
        self._waits_here: Final = waits_here

    async def say(
        self, client: "SessionClient", message: bytes, on_drop: Callable[[], None] | None = None
    ) -> int | None:
        """Sends one message to the client; it waits here where nobody holds the stream.

        Returns the ticket by which the outbox knows it, None where another pod has it. `on_drop` hears that the
        client will never get it.
        """
        if not client.stream.is_listening and await self._elsewhere(client.session, message):
            return None
        ticket = client.stream.outbox.put(message, on_drop=on_drop)
        if not client.stream.is_listening:
            await self._waits_here(client.session)
        return ticket
