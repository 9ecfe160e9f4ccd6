"""Keeps the other pods informed of a session, beside the requests that change it."""

import asyncio
from typing import TYPE_CHECKING, Final

from vmcp_proxy.core.clients.links import Links
from vmcp_proxy.core.clients.runtime import Attachment, Attachments
from vmcp_proxy.pods.session_sharing import BetweenPods

if TYPE_CHECKING:
    from vmcp_proxy.sessions import Session

_BURST_SECONDS: Final = 0.2


class News:
    """Tells in tasks of its own: no request waits for another pod. Where there is no other pod it does nothing."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        between: BetweenPods,
        attachments: Attachments,
        *,
        is_shared: bool,
    ) -> None:
        self._tasks: Final = tasks
        self._between: Final = between
        self._attachments: Final = attachments
        self._is_shared: Final = is_shared
        self._telling: Final[dict[Attachment, bool]] = {}
        """Whose stream is being told of, and whether it has changed since."""
        self._changed: Final[set[tuple[Attachment, str]]] = set()

    def stored(self, session: "Session") -> None:
        """Something of this session was stored that the pod with its stream should look up."""
        attachment = self._attachments.find(session)
        if self._is_shared and attachment is not None and not attachment.is_listening:
            self._tasks.create_task(self._between.tell_news(session), name="tell of a session")

    def changed(self, attachment: Attachment, backend: str) -> None:
        """A backend has said to this client alone that its lists are others; a burst is told once."""
        key = (attachment, backend)
        if self._is_shared and key not in self._changed:
            self._changed.add(key)
            self._tasks.create_task(self._tell_changed(*key), name="tell of changed lists")

    async def _tell_changed(self, attachment: Attachment, backend: str) -> None:
        try:
            await asyncio.sleep(_BURST_SECONDS)
        finally:
            self._changed.discard((attachment, backend))
        await self._between.tell_changed(attachment.session, backend)

    def listening(self, attachment: Attachment, links: Links) -> None:
        """The client has begun or ceased to hold the session's stream with this pod."""
        if attachment in self._telling:
            # A client that opens streams faster than the store writes must not pile up tasks.
            self._telling[attachment] = True
        elif self._is_shared:
            self._telling[attachment] = True
            self._tasks.create_task(self._tell_where(attachment, links), name="tell where a stream is")

    async def _tell_where(self, attachment: Attachment, links: Links) -> None:
        try:
            while self._telling[attachment]:
                self._telling[attachment] = False
                if attachment.is_listening:
                    await self._between.listens_here(attachment.session)
                    links.listen_all(attachment)
                else:
                    await self._between.listens_no_more(attachment.session)
        finally:
            del self._telling[attachment]
