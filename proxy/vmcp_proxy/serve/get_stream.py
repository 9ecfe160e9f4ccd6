"""The GET stream of a session: what its backends and the catalog have to say outside of calls."""

import asyncio
import time
from typing import Final

from vmcp_proxy.core.attachments import Attachment, Attachments
from vmcp_proxy.core.links import Links
from vmcp_proxy.core.notifier import Notifier
from vmcp_proxy.core.outbox import Outbox
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.protocol.sse import KEEP_ALIVE, encode_event
from vmcp_proxy.serve.context import RequestContext

_OPENED: Final = b": open\n\n"
_GO_ELSEWHERE: Final = b"retry: 1000\n\n"


class GetStream:
    """Serves at most one stream for each session: a new one takes the place of the old (its client lost it)."""

    def __init__(self, attachments: Attachments, links: Links, notifier: Notifier) -> None:
        self._attachments = attachments
        self._links = links
        self._notifier = notifier
        self.keep_alive = 15.0

    async def serve(self, context: RequestContext, caller: Caller) -> None:
        """Streams until the client goes, the session ends, or the process does."""
        attachment = self._attachments.of(caller.session)
        attachment.caller = caller
        if attachment.outbox is not None:
            attachment.outbox.close()
        outbox = attachment.outbox = Outbox()
        forget = caller.session.on_end(outbox.close)
        context.is_stream = True
        try:
            await context.start_stream()
            await context.write(_OPENED)
            self._links.listen_all(attachment)
            await self._stream(context, attachment, outbox)
        finally:
            forget()
            outbox.close()
            if attachment.outbox is outbox:
                attachment.outbox = None
                self._links.stop_listening(attachment)

    def close_all(self) -> None:
        """Lets every stream end, so that clients reconnect to another pod."""
        for attachment in self._attachments.all():
            if attachment.outbox is not None:
                attachment.outbox.close()

    async def _stream(self, context: RequestContext, attachment: Attachment, outbox: Outbox) -> None:
        gone = asyncio.create_task(_disconnected(context, outbox))
        try:
            await self._notifier.opened(attachment)
            while True:
                try:
                    async with asyncio.timeout(self.keep_alive):
                        message = await outbox.get()
                except TimeoutError:
                    attachment.session.touch(time.monotonic())
                    await context.write(KEEP_ALIVE)
                    continue
                if message is None:
                    break
                await context.write(encode_event(message))
            await context.write(_GO_ELSEWHERE)
            await context.finish()
        finally:
            gone.cancel()


async def _disconnected(context: RequestContext, outbox: Outbox) -> None:
    """Closes the outbox when the client hangs up."""
    while (await context.receive())["type"] != "http.disconnect":
        continue
    outbox.close()
