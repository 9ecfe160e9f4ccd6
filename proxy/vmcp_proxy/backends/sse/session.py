"""One session over HTTP+SSE: a stream that carries everything a backend says, and POSTs that carry what we say."""

import asyncio
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from vmcp_proxy.backends.budget import STALLED, Lease, ReadBudget
from vmcp_proxy.backends.channel.mailbox import Mailbox
from vmcp_proxy.backends.channel.session import ChannelSession
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category, SessionLostError
from vmcp_proxy.backends.interface import Reply, refuse
from vmcp_proxy.backends.over_http import translate
from vmcp_proxy.backends.refusals.refusal import JSON, media_type, read_refusal
from vmcp_proxy.backends.refusals.signs import Sign, names_session, sign_of
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.http_client import HeaderBlock, HttpClient, HttpError, InvalidUrl, Peer, Response, Timeout
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.sse import Event, EventTooLargeError, SseParser

_POST: Final = ((b"Content-Type", b"application/json"), (b"Accept", b"application/json, text/event-stream"))
_SEND_SECONDS: Final = 5.0
_RECEIPT_SECONDS: Final = 300.0
"""How long the receipt of a request may take; some servers give it after the answer."""
_MOST_REFUSALS: Final = 8
"""Answers to the backend's own requests that may be on their way while the stream is read on."""
_ENDED: Final = "its stream ended before the answer"


class SseSession(ChannelSession):
    """One stream, and the URL that it named; `headers` are what it was opened with.

    When the stream is lost the session is: calls in flight fail, for they may have run.
    """

    def __init__(
        self,
        backend: str,
        peer: Peer,
        client: HttpClient,
        stream: Response,
        max_bytes: int,
        budget: ReadBudget,
        headers: OutgoingHeaders,
    ) -> None:
        super().__init__(backend, is_shared=False)
        self._peer = peer
        self._client = client
        self._stream = stream
        self._max_bytes = max_bytes
        self._budget = budget
        self._headers = headers
        self._endpoint: Peer | None = None
        self._ready = asyncio.Event()
        self._failure: BackendError | None = None
        self._posts: set[asyncio.Task[None]] = set()
        self._refusals: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<SseSession {self._backend} {self._conversation!r}>"

    def start(self, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        """Begins to read the stream."""
        self._task = tasks.create_task(self._run(), name=f"events of {self._backend}")
        return self._task

    async def ready(self, deadline: Deadline) -> None:
        """Waits for the URL that messages go to.

        Raises:
            BackendError: it does not come, or may not be used.
        """
        try:
            async with deadline.bound():
                await self._ready.wait()
        except TimeoutError as error:
            raise BackendError(self._backend, Category.TIMEOUT) from error
        if self._failure is not None:
            raise self._failure

    async def close(self, headers: OutgoingHeaders) -> None:
        """Closes the stream, which is what ends the session at the backend."""
        del headers
        self._fail("its session was closed")
        if self._task is not None:
            await asyncio.wait((self._task,))
        await self._stream.aclose()

    async def begin(self, message: bytes, headers: OutgoingHeaders, mailbox: Mailbox, *, is_repeatable: bool) -> None:
        """See `Channel.begin`: the answer comes on the stream, perhaps before the receipt of the POST."""
        block = HeaderBlock(_POST + headers)
        if self._group is None or self._conversation.has_ended:
            raise SessionLostError(self._backend)
        task = self._group.create_task(
            self._deliver(message, block, mailbox, is_repeatable=is_repeatable), name=f"post to {self._backend}"
        )
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)

    async def send(self, message: bytes, headers: OutgoingHeaders) -> None:
        """See `Channel.send`."""
        try:
            receipt = await self._post(message, HeaderBlock(_POST + headers), _SEND_SECONDS, is_repeatable=True)
        except HttpError as error:
            raise translate(self._backend, error) from error
        await receipt.aclose()

    async def refuse(self, request: jsonrpc.Request, reply: Reply) -> None:
        """See `Channel.refuse`: a server may be slow to take it, and answers come on the stream meanwhile."""
        if self._group is None:
            return
        while len(self._refusals) >= _MOST_REFUSALS:
            await asyncio.wait(self._refusals, return_when=asyncio.FIRST_COMPLETED)
        task = self._group.create_task(refuse(request, reply), name=f"refusal to {self._backend}")
        for tasks in (self._posts, self._refusals):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _deliver(self, message: bytes, headers: HeaderBlock, mailbox: Mailbox, *, is_repeatable: bool) -> None:
        try:
            receipt = await self._post(message, headers, _RECEIPT_SECONDS, is_repeatable=is_repeatable)
            await self._take_receipt(receipt)
        except SessionLostError as error:
            mailbox.put(error)
            self._fail("its session is gone")
        except BackendError as error:
            mailbox.put(error)
        except HttpError as error:
            # Without a receipt the answer may still come: the call has its own bound.
            if not (isinstance(error, Timeout) and error.phase == "head"):
                mailbox.put(translate(self._backend, error))

    async def _post(self, message: bytes, headers: HeaderBlock, seconds: float, *, is_repeatable: bool) -> Response:
        if self._endpoint is None:
            raise SessionLostError(self._backend)
        response = await self._client.request(
            self._endpoint, b"POST", headers, message, timeout=seconds, is_repeatable=is_repeatable
        )
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise await self._refusal(response, self._endpoint)
        return response

    async def _take_receipt(self, receipt: Response) -> None:
        """Takes the answer where a server gives it here, instead of on the stream or there too.

        What breaks off here costs nothing: the answer may still come on the stream.
        """
        lease = self._budget.lease(receipt.abandon)
        try:
            if media_type(receipt.headers) == JSON:
                await self._conversation.take(await self._whole(receipt, lease), self._headers)
        except HttpError:
            pass
        finally:
            lease.drop()
            await receipt.aclose()

    async def _whole(self, receipt: Response, lease: Lease) -> bytes:
        pieces, size = [], 0
        async for piece in receipt.chunks(idle_timeout=_RECEIPT_SECONDS):
            pieces.append(piece)
            size += len(piece)
            if size > self._max_bytes:
                raise BackendError(self._backend, Category.TOO_LARGE)
            await lease.hold(size)
        return b"".join(pieces)

    async def _refusal(self, response: Response, endpoint: Peer) -> BackendError:
        """What a refusal of a message says: nothing was executed, for answers come on the stream only."""
        refusal = await read_refusal(response)
        sign = sign_of(refusal.status, refusal.said, is_answer=False)
        if sign is Sign.LOST or (sign is Sign.DOUBT and names_session(refusal.said)):
            return SessionLostError(self._backend)
        return refusal.error(self._backend, "POST", endpoint.url, self._headers)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._group:
                try:
                    error = await self._read()
                except asyncio.CancelledError:
                    self._end(self._lost("its session was closed"))
                    raise
                self._end(error)
                for task in self._posts:
                    task.cancel()
        finally:
            await self._stream.aclose()

    async def _read(self) -> BackendError:
        """Takes what comes on the stream; returns why nothing comes any more."""
        parser = SseParser(self._max_bytes)
        lease = self._budget.lease(self._stream.abandon)
        try:
            async for chunk in self._stream.chunks(idle_timeout=None):
                for event in parser.feed(chunk):
                    await self._take(event)
                await lease.hold(parser.held)
        except EventTooLargeError:
            return BackendError(self._backend, Category.TOO_LARGE)
        except HttpError as error:
            if lease.is_ended:
                return BackendError(self._backend, Category.TIMEOUT, STALLED)
            lost = translate(self._backend, error)
            return self._lost(_ENDED) if lost.category is Category.FAILED else lost
        except BackendError as error:
            return error
        finally:
            parser.forget()
            lease.drop()
        return self._lost(_ENDED)

    async def _take(self, event: Event) -> None:
        if event.event == "message" and event.data:
            await self._conversation.take(event.data, self._headers)
        elif event.event == "endpoint" and self._endpoint is None:
            self._endpoint = self._peer_of(event.data)
            self._ready.set()

    def _peer_of(self, data: bytes) -> Peer:
        """Where messages go: credentials must not leave the origin that they were configured for."""
        try:
            url = self._peer.url.join(data.decode().strip())
        except (InvalidUrl, UnicodeDecodeError):
            raise BackendError(self._backend, Category.PROTOCOL, "its endpoint event holds no URL") from None
        if url.origin != self._peer.url.origin:
            raise BackendError(self._backend, Category.REFUSED, "its endpoint event names another origin")
        return replace(self._peer, url=url)

    def _lost(self, hint: str) -> BackendError:
        return BackendError(self._backend, Category.FAILED, hint)

    def _fail(self, hint: str) -> None:
        """Ends the session from our side."""
        self._end(self._lost(hint))
        if self._task is not None:
            self._task.cancel()

    def _end(self, error: BackendError) -> None:
        if not self._conversation.has_ended:
            self._failure = error
            self._conversation.end(error)
            self._ready.set()
