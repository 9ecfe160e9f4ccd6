"""What a client of a modern backend wants to hear outside of its calls, and the stream that says it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.interface import Receiver, Reply
from vmcp_proxy.backends.streamable.own_stream import OwnStream
from vmcp_proxy.headerforward import OutgoingHeaders
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.jsonrpc import Request
from vmcp_proxy.protocol.params import Members

_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
_ACK_SECONDS: Final = 2.0
"""How long a subscription waits for the server to say that it is in force."""

_CHANGES: Final = {
    "tools": "toolsListChanged",
    "prompts": "promptsListChanged",
    "resources": "resourcesListChanged",
}
_TRUE: Final = msgspec.Raw(b"true")

Receive: TypeAlias = Callable[[Members, OutgoingHeaders, Receiver], Awaitable[bool]]
"""Opens a stream for what is wanted, and reads it to its end; False where the backend offers none."""


class Listening:
    """One `subscriptions/listen` at a time; where more is wanted, the next one is open before the former one ends."""

    __slots__ = ("_changed", "_offers", "_receive", "_stream", "_uris", "_waiting")

    def __init__(self, offers: frozenset[str], receive: Receive) -> None:
        self._offers: Final = offers
        self._receive: Final = receive
        self._stream: Final = OwnStream()
        self._uris: dict[str, None] = {}
        self._changed = asyncio.Event()
        self._waiting: set[asyncio.Event] = set()

    def expect(self) -> None:
        """See `BackendSession.expect_stream`."""
        if self._filter():
            self._stream.expect()

    async def opened(self) -> None:
        """Waits, briefly, for a stream that is about to be opened."""
        if self._stream.is_expected:
            await self._stream.wait()

    async def want(self, members: Members, *, is_wanted: bool, deadline: Deadline) -> None:
        """Takes a subscription to a resource, or takes it back; waits for the stream that has it, where one is read.

        Raises:
            InvalidParamsError: no URI is named.
        """
        uri = params.text_of(members, "uri")
        if is_wanted == (uri in self._uris):
            return
        if is_wanted:
            self._uris[uri] = None
        else:
            del self._uris[uri]
        if not self._stream.is_read:
            return
        acknowledged = asyncio.Event()
        self._waiting.add(acknowledged)
        self._changed.set()
        try:
            until = min(deadline.at, asyncio.get_running_loop().time() + _ACK_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await acknowledged.wait()
        finally:
            self._waiting.discard(acknowledged)

    async def run(self, headers: OutgoingHeaders, receiver: Receiver) -> bool:
        """See `BackendSession.listen`."""
        if not self._filter():
            self._stream.settled()
            return False
        with self._stream.reading():
            reading, heard = self._begin(headers, receiver)
            try:
                while not await self._is_over(reading):
                    former = reading
                    reading, heard = self._begin(headers, receiver)
                    try:
                        await _either(reading, heard)
                    finally:
                        await _cancelled(former)
            finally:
                await _cancelled(reading)
            return reading.result()

    def _filter(self) -> Members:
        wanted = {member: _TRUE for offer, member in _CHANGES.items() if offer in self._offers}
        if self._uris:
            wanted["resourceSubscriptions"] = msgspec.Raw(msgspec.json.encode(list(self._uris)))
        return wanted

    def _begin(self, headers: OutgoingHeaders, receiver: Receiver) -> tuple["asyncio.Task[bool]", asyncio.Event]:
        self._changed.clear()
        heard = asyncio.Event()
        waiting, self._waiting = self._waiting, set()

        def acknowledged() -> None:
            heard.set()
            self._stream.settled()
            for each in waiting:
                each.set()

        work = self._receive(self._filter(), headers, _Acknowledging(receiver, acknowledged))
        reading = asyncio.ensure_future(work)
        reading.add_done_callback(_looked_at)
        return reading, heard

    async def _is_over(self, reading: "asyncio.Task[bool]") -> bool:
        """Waits until the stream ends, or something else is wanted; whether it has ended."""
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((reading, change), return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
        return reading.done()


class _Acknowledging:
    """Hears what a stream says, and that it is in force."""

    __slots__ = ("_acknowledged", "_receiver", "log_level", "takes_rounds")

    def __init__(self, receiver: Receiver, acknowledged: Callable[[], None]) -> None:
        self._receiver: Final = receiver
        self._acknowledged: Final = acknowledged
        self.log_level: Final = receiver.log_level
        self.takes_rounds: Final = receiver.takes_rounds

    async def on_notification(self, method: str, params: msgspec.Raw | None) -> None:
        """See `Receiver.on_notification`."""
        if method == _ACKNOWLEDGED:
            self._acknowledged()
        else:
            await self._receiver.on_notification(method, params)

    async def on_request(self, request: Request, reply: Reply) -> None:
        """See `Receiver.on_request`."""
        await self._receiver.on_request(request, reply)


async def _either(reading: "asyncio.Task[bool]", heard: asyncio.Event) -> None:
    """Waits, briefly, until the stream is in force or has ended."""
    hearing = asyncio.ensure_future(heard.wait())
    try:
        await asyncio.wait((reading, hearing), timeout=_ACK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hearing.cancel()


async def _cancelled(task: "asyncio.Task[bool]") -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))


def _looked_at(task: "asyncio.Task[bool]") -> None:
    """Or a failure would be told as one that nobody looked at, where who waited is gone by then."""
    if not task.cancelled():
        task.exception()
