"""Calls that wait in one pod while their clients' answers come to another one (ADR-0061).

The pod that has the answers sends them, and hears of what the backend says meanwhile and of what comes in the end. Both
go in parts, for a result may be larger than a message. Each errand has a name that nobody can guess; while it is under
way the one that waits asks from time to time whether the other is still at it.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

import msgspec

from vmcp_proxy.auth.decision import DecisionRecord
from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.clients.rounds.pausable_calls import Follow, Leg, Turn
from vmcp_proxy.core.calls.pausing.round_state import Parked
from vmcp_proxy.core.outcomes import Invalid, Lost
from vmcp_proxy.core.virtual import Exchange, WorkflowEvent
from vmcp_proxy.pods.legs import Chunk, Errand, chunks_of, decode_leg, encode_leg
from vmcp_proxy.protocol.params import InvalidParamsError

GoOn: TypeAlias = Callable[[int, Turn, Follow], Awaitable[Leg]]
"""Goes on with a call that waits here; see `PausableCalls.go_on`."""

ASK_SECONDS: Final = 5.0
"""How often the one that waits asks whether the other is still at it."""

MOST_ERRANDS: Final = 256
"""Errands of other pods that are coming in or under way."""

MOST_BYTES: Final = 16 << 20
"""Bytes of the answers of one errand: about as much as the body of a request may have."""

_ANSWERS: Final = "answers"
_SAID: Final = "said"
_LEG: Final = "leg"
_STILL: Final = "still"
_LEFT: Final = "left"
_COMING_SECONDS: Final = 30.0


class Mailbox(Protocol):
    """Sealed messages to other pods, by kind."""

    @property
    def pod(self) -> str:
        """The name of this pod."""

    def on(self, kind: str, handler: Callable[[str, bytes], Awaitable[None]], knows: Callable[[str], bool]) -> None:
        """Says who takes messages of a kind: what they are about, and the body; and about what."""

    async def send(self, pod: str, kind: str, digest: str, body: bytes) -> bool:
        """Whether the pod has accepted the message."""


class ParkedElsewhere:
    """See `Elsewhere`; `serve` begins to take errands of other pods, which run in `tasks`."""

    def __init__(self, mailbox: Mailbox, tasks: asyncio.TaskGroup, ask_seconds: float = ASK_SECONDS) -> None:
        self._mailbox: Final = mailbox
        self._tasks: Final = tasks
        self._ask_seconds: Final = ask_seconds
        self._awaited: Final[dict[str, _Awaited]] = {}
        self._coming: Final[dict[str, _Coming]] = {}
        self._running: Final[dict[str, asyncio.Task[None]]] = {}
        self._go_on: GoOn | None = None

    def serve(self, go_on: GoOn) -> None:
        """Says what goes on with calls that wait here."""
        self._go_on = go_on
        self._mailbox.on(_ANSWERS, self._take_answers, lambda _name: True)
        self._mailbox.on(_SAID, self._take_said, self._awaited.__contains__)
        self._mailbox.on(_LEG, self._take_leg, self._awaited.__contains__)
        self._mailbox.on(_STILL, _nothing, lambda name: name in self._running or name in self._coming)
        self._mailbox.on(_LEFT, self._left, lambda _name: True)

    def end(self) -> None:
        """Gives up what is under way for other pods: this one ends."""
        for task in self._running.values():
            task.cancel()

    async def go_on(self, place: Parked, turn: Turn, exchange: Exchange) -> Leg:
        """See `Elsewhere.go_on`."""
        name = secrets.token_hex(16)
        errand = Errand.of(place.number, turn, takes_messages=exchange.takes_messages)
        awaited = self._awaited[name] = _Awaited(exchange)
        has_come = False
        try:
            leg = await self._sent(place.pod, name, errand, awaited)
            has_come = True
            return leg
        finally:
            del self._awaited[name]
            if not has_come:
                # The client is gone: nobody waits for the call any more.
                self._tasks.create_task(self._tell_left(place.pod, name), name="give up a call elsewhere")

    async def _sent(self, pod: str, name: str, errand: Errand, awaited: "_Awaited") -> Leg:
        for chunk in chunks_of(self._mailbox.pod, msgspec.msgpack.encode(errand)):
            if not await self._mailbox.send(pod, _ANSWERS, name, chunk):
                return Lost()
        return await self._until_leg(pod, name, awaited)

    async def _until_leg(self, pod: str, name: str, awaited: "_Awaited") -> Leg:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ask_seconds):
                    return decode_leg(await asyncio.shield(awaited.leg))
            # The end may have come while it was asked.
            if not await self._mailbox.send(pod, _STILL, name, b"") and not awaited.leg.done():
                return Lost()

    async def _tell_left(self, pod: str, name: str) -> None:
        await self._mailbox.send(pod, _LEFT, name, b"")

    async def _take_said(self, name: str, body: bytes) -> None:
        awaited = self._awaited.get(name)
        if awaited is not None:
            await awaited.exchange.send(body)

    async def _take_leg(self, name: str, body: bytes) -> None:
        awaited, chunk = self._awaited.get(name), _read(body)
        if awaited is not None and chunk is not None:
            awaited.take(chunk)

    async def _take_answers(self, name: str, body: bytes) -> None:
        chunk = _read(body)
        if chunk is None or name in self._running:
            return
        coming = self._coming.get(name)
        if coming is None:
            if len(self._coming) + len(self._running) >= MOST_ERRANDS:
                return
            expiry = asyncio.get_running_loop().call_later(_COMING_SECONDS, self._coming.pop, name, None)
            coming = self._coming[name] = _Coming(expiry)
        coming.parts += chunk.part
        if not chunk.is_last and len(coming.parts) <= MOST_BYTES:
            return
        coming.expiry.cancel()
        del self._coming[name]
        if chunk.is_last:
            work = self._run(chunk.sender, name, bytes(coming.parts))
            self._running[name] = self._tasks.create_task(work, name="go on with a call")

    async def _run(self, sender: str, name: str, raw: bytes) -> None:
        try:
            leg = await self._leg_of(sender, name, raw)
            for chunk in chunks_of(self._mailbox.pod, encode_leg(leg)):
                if not await self._mailbox.send(sender, _LEG, name, chunk):
                    return
        finally:
            del self._running[name]

    async def _leg_of(self, sender: str, name: str, raw: bytes) -> Leg:
        try:
            errand = msgspec.msgpack.decode(raw, type=Errand)
        except msgspec.DecodeError:
            errand = None
        if errand is None or self._go_on is None:
            return Lost()

        async def say(message: bytes) -> bool:
            return await self._mailbox.send(sender, _SAID, name, message)

        follow = _followed_by(say, takes_messages=errand.takes_messages)
        try:
            return await self._go_on(errand.number, errand.turn, follow)
        except InvalidParamsError as error:
            return Invalid(str(error))

    async def _left(self, name: str, _body: bytes) -> None:
        task = self._running.get(name)
        if task is not None:
            task.cancel()


class _Awaited:
    """What comes back for an errand."""

    __slots__ = ("_parts", "exchange", "leg")

    def __init__(self, exchange: Exchange) -> None:
        self.exchange: Final = exchange
        self.leg: Final[asyncio.Future[bytes]] = asyncio.get_running_loop().create_future()
        self._parts: Final = bytearray()

    def take(self, chunk: Chunk) -> None:
        """Takes the next part."""
        self._parts.extend(chunk.part)
        if chunk.is_last and not self.leg.done():
            self.leg.set_result(bytes(self._parts))


class _Coming:
    """The answers of an errand that are not all there yet."""

    __slots__ = ("expiry", "parts")

    def __init__(self, expiry: asyncio.TimerHandle) -> None:
        self.expiry: Final = expiry
        self.parts = bytearray()


class _FarExchange:
    """A request of the client that another pod has; what is to be audited is told of the one `before`."""

    __slots__ = ("_before", "_say", "takes_messages")

    def __init__(self, before: Exchange, say: Callable[[bytes], Awaitable[bool]], *, takes_messages: bool) -> None:
        self._before: Final = before
        self._say: Final = say
        self.takes_messages: Final = takes_messages

    def routed(self, backend: str, credentials: Credentials) -> None:
        """See `Exchange.routed`: the other pod hears it with the end."""

    def composed(self) -> None:
        """See `Exchange.composed`."""

    def called(self, tool: str) -> None:
        """See `Exchange.called`: the other pod has it with the place of the call."""

    def presented(self, credentials: Credentials) -> None:
        """See `Exchange.presented`."""

    def decided(self, record: DecisionRecord) -> None:
        """See `Exchange.decided`."""

    def ran(self, event: WorkflowEvent) -> None:
        """See `Exchange.ran`."""
        self._before.ran(event)

    async def send(self, message: bytes, on_drop: Callable[[], None] | None = None) -> None:
        """See `Exchange.send`."""
        is_taken = self.takes_messages and await self._say(message)
        if not is_taken and on_drop is not None:
            on_drop()


def _followed_by(say: Callable[[bytes], Awaitable[bool]], *, takes_messages: bool) -> Follow:
    return lambda before: _FarExchange(before, say, takes_messages=takes_messages)


def _read(body: bytes) -> Chunk | None:
    try:
        return msgspec.msgpack.decode(body, type=Chunk)
    except msgspec.DecodeError:
        return None


async def _nothing(_name: str, _body: bytes) -> None:
    """That the message was accepted is the answer."""
