"""The session's own stream, whichever pod the client holds it with."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from vmcp_proxy.core.attachments import Attachment
    from vmcp_proxy.sessions import Session

Elsewhere: TypeAlias = Callable[["Session", bytes], Awaitable[bool]]
"""Gives a message to the pod that holds the session's stream; False where no other pod has taken it."""


async def nowhere_else(_session: "Session", _message: bytes) -> bool:
    """There is no other pod."""
    return False


class SessionStream:
    """Says what belongs to no call in flight: here, on another pod, or as soon as the client listens."""

    def __init__(self, elsewhere: Elsewhere = nowhere_else) -> None:
        self._elsewhere: Final = elsewhere

    async def say(self, attachment: "Attachment", message: bytes) -> None:
        """Sends one message to the client; it waits here where nobody holds the stream."""
        if not attachment.is_listening and await self._elsewhere(attachment.session, message):
            return
        attachment.outbox.put(message)
