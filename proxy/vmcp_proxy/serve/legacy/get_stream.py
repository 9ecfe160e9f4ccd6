"""GET streams: the session's own, and the rest of an answer whose stream broke (MCP 2025-11-25, Listening)."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from vmcp_proxy.clients.links import Links
from vmcp_proxy.clients.notifier import Notifier
from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.clients.session_client import SessionCaller, SessionClient
from vmcp_proxy.clients.streaming.outbox import Outbox, Reader
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.protocol.event_ids import EventId, encode_end, parse_event_id
from vmcp_proxy.protocol.sse import KEEP_ALIVE, RETRY, encode_event, encode_priming
from vmcp_proxy.protocol.versions import has_priming
from vmcp_proxy.serve import rejections
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.eras.expiry import credentials_hold
from vmcp_proxy.serve.eras.settings import LiveSettings
from vmcp_proxy.serve.legacy.answer_streams import AnswerStreams
from vmcp_proxy.serve.legacy.answers import answer_lost
from vmcp_proxy.sessions import Session

logger: Final = logging.getLogger("vmcp.serve")

_OPENED: Final = b": open\n"
_LAST_EVENT_ID: Final = b"last-event-id"
_DISPATCH: Final = "dispatch"


class GetStream:
    """Serves at most one stream of its own for each session: a new one takes the place of the old.

    `on_listening` hears of every session whose client begins or ceases to listen.
    """

    def __init__(
        self,
        clients: SessionClients,
        links: Links,
        notifier: Notifier,
        answers: AnswerStreams,
        on_listening: Callable[[SessionClient], None],
        settings: LiveSettings,
    ) -> None:
        self._clients = clients
        self._links = links
        self._notifier = notifier
        self._answers = answers
        self._on_listening = on_listening
        self._is_closing = False
        self._settings = settings

    async def serve(self, context: RequestContext, caller: SessionCaller) -> None:
        """Streams until the client goes, its credentials expire, the session ends, or the process does."""
        caller.client.session.uses.add(context)
        try:
            await self._serve(context, caller)
        finally:
            caller.client.session.uses.discard(context)
            caller.client.session.touch(time.monotonic())

    async def _serve(self, context: RequestContext, caller: SessionCaller) -> None:
        client = caller.client
        client.caller = caller
        raw = context.header(_LAST_EVENT_ID)
        seen = parse_event_id(raw)
        if seen is not None and seen.is_end:
            # Some clients take only results for answers and come back after an error: with an empty stream
            # they would do so for ever, and in the end for the session's own. This status tells them to stay away.
            await context.reject(_DISPATCH, rejections.ANSWER_OVER)
            return
        context.is_stream = True
        context.release_head()
        if raw is not None and seen is not None and seen.request is not None:
            await self._answer(context, caller, seen, seen.request, raw)
            return
        if self._is_closing:
            await context.start_stream()
            await _end(context, caller.client.session)
            return
        outbox = client.stream.outbox
        after = None
        if seen is not None and seen.stream == outbox.number and self._clients.replay.is_own(seen):
            after = seen.sequence
        elif raw is not None:
            log_event(logger, logging.DEBUG, "nothing to replay", session=caller.client.session.ref)
        if (grant := caller.identity.grant) != client.stream.read_by:
            # What another token of the same caller was told is not told again to this one, which may have it denied.
            client.stream.read_by, after = grant, None
        await self._own(context, client, outbox, outbox.open(after))

    def close_all(self) -> None:
        """Lets every session's own stream end, and those that come, so that clients reconnect to another pod."""
        self._is_closing = True
        self.end_all()

    def end_all(self) -> None:
        """Lets every session's own stream end; clients open theirs again, and are asked anew who they are."""
        for client in self._clients.all():
            if client.stream.is_listening:
                client.stream.outbox.finish()

    async def _answer(
        self, context: RequestContext, caller: SessionCaller, seen: EventId, request: bytes, raw: bytes
    ) -> None:
        """Gives the rest of an answer, or says that it is lost, and ends; the session's own stream is another.

        `raw` is the text of the id that was `seen`.
        """
        stream = self._answers.find(caller.client.session, caller.identity, seen)
        await context.start_stream()
        if stream is None:
            log_event(logger, logging.DEBUG, "answer to resume is lost", session=caller.client.session.ref)
            await context.write(encode_event(answer_lost(request), encode_end(raw)))
        else:
            async with _watching(context, lambda: stream.leave(context)):
                await stream.resume(context, request, seen.sequence)
        await context.finish()

    async def _own(self, context: RequestContext, client: SessionClient, outbox: Outbox, reader: Reader) -> None:
        try:
            await context.start_stream()
            await context.write(_OPENED)
            primed = reader.mark() if has_priming(client.session.protocol_version) else None
            if primed is not None:
                await context.write(encode_priming(_id(outbox, primed)))
            self._links.listen_all(client)
            self._on_listening(client)
            async with _watching(context, reader.close):
                await self._notifier.opened(client)
                await self._relay(context, outbox, reader)
            await _end(context, client.session)
        finally:
            reader.close()
            if not client.stream.is_listening:
                self._links.linger(client)
                self._on_listening(client)

    async def _relay(self, context: RequestContext, outbox: Outbox, reader: Reader) -> None:
        """Relays what there is until somebody ends it, or the client's credentials do (ADR-0039)."""
        while (left := credentials_hold(context)) > 0:
            keep_alive = self._settings.current.keep_alive
            try:
                async with asyncio.timeout(min(keep_alive, left)):
                    entry = await reader.next()
            except TimeoutError:
                if keep_alive < left:
                    await context.write(KEEP_ALIVE)
                continue
            if entry is None:
                return
            sequence, message = entry
            await context.write(encode_event(message, _id(outbox, sequence)))


@contextlib.asynccontextmanager
async def _watching(context: RequestContext, gone: Callable[[], None]) -> AsyncIterator[None]:
    """Calls `gone` when the client hangs up."""
    watch = asyncio.create_task(_disconnected(context, gone))
    try:
        yield
    finally:
        watch.cancel()


async def _disconnected(context: RequestContext, gone: Callable[[], None]) -> None:
    while (await context.receive())["type"] != "http.disconnect":
        continue
    gone()


async def _end(context: RequestContext, session: Session) -> None:
    """Ends a stream that the client should open again; those that read no event without data are not told when."""
    if has_priming(session.protocol_version):
        await context.write(RETRY)
    await context.finish()


def _id(outbox: Outbox, sequence: int) -> bytes:
    return b"%b%x" % (outbox.prefix, sequence)
