"""Messages on their way to one waiting task, in their order."""

import asyncio
from collections import deque
from typing import Final, TypeAlias

from vmcp_proxy.backends.errors import BackendError
from vmcp_proxy.protocol.jsonrpc import Notification, Request, Response

Incoming: TypeAlias = Response | Notification | Request | BackendError
"""An error says that nothing comes any more."""

_MOST_MESSAGES: Final = 1024
MOST_BYTES: Final = 8 << 20
"""As much as the body of one request may have by default: a question may hold images."""


class Mailbox:
    """Takes messages without waiting; a full one loses its oldest notification, never an answer or the end.

    Full is what holds 1024 messages, or would hold more than `max_bytes` beside its answer.
    """

    __slots__ = ("_arrived", "_max_bytes", "_messages", "_size")

    def __init__(self, max_bytes: int = MOST_BYTES) -> None:
        self._max_bytes = max_bytes
        self._messages: deque[tuple[Incoming, int]] = deque()
        self._size = 0
        self._arrived = asyncio.Event()

    def put(self, message: Incoming, size: int = 0) -> bool:
        """Adds a message of so many bytes; False where there is no room for it."""
        if isinstance(message, Notification | Request):
            if size > self._max_bytes:
                return False
            while self._is_full(size) and self._drop_oldest():
                pass
            if self._is_full(size):
                return False
        self._messages.append((message, size))
        self._size += size
        self._arrived.set()
        return True

    async def get(self) -> Incoming:
        """The next message."""
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        message, size = self._messages.popleft()
        self._size -= size
        return message

    def _is_full(self, size: int) -> bool:
        """Whether there is no room for one more of so many bytes."""
        return len(self._messages) >= _MOST_MESSAGES or self._size + size > self._max_bytes

    def _drop_oldest(self) -> bool:
        for index, (message, size) in enumerate(self._messages):
            if isinstance(message, Notification):
                del self._messages[index]
                self._size -= size
                return True
        return False
