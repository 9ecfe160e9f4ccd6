"""Requests and answers over one channel that carries everything: the half that stdio and HTTP+SSE share."""

import asyncio
import contextlib
from typing import Protocol

import msgspec

from vmcp_proxy.backends.channel.demultiplexer import Demultiplexer
from vmcp_proxy.backends.channel.mailbox import Mailbox
from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category, SessionLostError
from vmcp_proxy.backends.interface import NOBODY, Receiver, Reply
from vmcp_proxy.backends.messages import hand_over, parse_incoming, sound
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import jsonrpc
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.methods import EXECUTING

_CANCEL_SECONDS = 1.0


class Channel(Protocol):
    """The way out to a backend."""

    async def begin(self, message: bytes, headers: OutgoingHeaders, mailbox: Mailbox, *, is_repeatable: bool) -> None:
        """Sends a request, or begins to; what goes wrong after the return is put into the mailbox.

        What `is_repeatable` executes nothing: it may be written twice.

        Raises:
            BackendError: it cannot be sent.
        """

    async def send(self, message: bytes, headers: OutgoingHeaders) -> None:
        """Sends what gets no answer.

        Raises:
            BackendError: it cannot be sent.
        """

    async def refuse(self, request: jsonrpc.Request, reply: Reply) -> None:
        """Answers a request that nobody takes, without holding up what comes after it."""


class Conversation:
    """One session: requests go out on `channel`, what comes in is given to `take`.

    Once it has ended every request is refused as one of which nothing was executed.
    """

    def __init__(self, backend: str, channel: Channel, *, is_shared: bool) -> None:
        self._backend = backend
        self._channel = channel
        self._demultiplexer = Demultiplexer(is_shared=is_shared)
        self._client_calls = 0
        self._idle: asyncio.Event | None = None
        self.has_ended = False

    def __repr__(self) -> str:
        return f"<Conversation {self._backend} {self._demultiplexer!r}>"

    async def request(
        self,
        request_id: int,
        method: str,
        params: Raw | None,
        headers: OutgoingHeaders,
        deadline: Deadline,
        receiver: Receiver,
        extra: OutgoingHeaders = (),
    ) -> jsonrpc.Response:
        """See `BackendSession.request`."""
        self._check()
        is_clients = receiver is not NOBODY
        self._client_calls += is_clients
        try:
            with self._demultiplexer.calling(request_id) as mailbox:
                async with deadline.bound():
                    message = jsonrpc.encode_request(request_id, method, params)
                    await self._channel.begin(message, headers + extra, mailbox, is_repeatable=method not in EXECUTING)
                return await self._answer(mailbox, headers, deadline, receiver)
        except asyncio.CancelledError:
            await self._cancel(request_id, method, headers, "The client cancelled the request.")
            raise
        except TimeoutError:
            await self._cancel(request_id, method, headers, "The request took too long.")
            raise BackendError(self._backend, Category.TIMEOUT) from None
        finally:
            self._client_calls -= is_clients
            if self._idle is not None and not self._client_calls:
                self._idle.set()

    async def listen(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`; it never returns."""
        self._check()
        reply = self._replier(headers)
        with self._demultiplexer.listening() as mailbox:
            while not isinstance(message := await mailbox.get(), BackendError):
                await hand_over(message, receiver, reply)
        raise message

    async def take(self, data: bytes, headers: OutgoingHeaders) -> None:
        """Sorts one frame of the backend's; a request that nobody takes is answered."""
        for message in parse_incoming(data):
            orphan = self._demultiplexer.sort(message, len(data))
            if orphan is not None:
                await self._channel.refuse(orphan, self._replier(headers))

    def end(self, error: BackendError) -> None:
        """Tells everybody who waits that nothing comes any more."""
        self.has_ended = True
        self._demultiplexer.end(error)

    async def idle(self) -> None:
        """Waits for the calls in flight that clients stand behind; each of them has a deadline."""
        if self._client_calls:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def _check(self) -> None:
        if self.has_ended:
            raise SessionLostError(self._backend)

    async def _answer(
        self, mailbox: Mailbox, headers: OutgoingHeaders, deadline: Deadline, receiver: Receiver
    ) -> jsonrpc.Response:
        loop = asyncio.get_running_loop()
        reply = self._replier(headers)
        while True:
            async with deadline.bound():
                message = await mailbox.get()
            if isinstance(message, jsonrpc.Response):
                return sound(self._backend, message)
            if isinstance(message, BackendError):
                raise message
            # A client that does not read must not stretch the call.
            async with asyncio.timeout_at(deadline.at):
                await hand_over(message, receiver, reply)
            if message.method == "notifications/progress":
                deadline.extend(loop.time())

    async def _cancel(self, request_id: int, method: str, headers: OutgoingHeaders, reason: str) -> None:
        # MCP forbids it for the handshake ("Cancellation").
        if self.has_ended or method == "initialize":
            return
        body = b'{"requestId":%d,"reason":%b}' % (request_id, msgspec.json.encode(reason))
        with contextlib.suppress(BackendError, TimeoutError):
            async with asyncio.timeout(_CANCEL_SECONDS):
                await self._channel.send(jsonrpc.encode_notification("notifications/cancelled", body), headers)

    def _replier(self, headers: OutgoingHeaders) -> Reply:
        async def reply(message: bytes) -> None:
            # An answer that does not arrive is the backend's loss; it says nothing of the calls in flight.
            with contextlib.suppress(BackendError):
                await self._channel.send(message, headers)

        return reply
