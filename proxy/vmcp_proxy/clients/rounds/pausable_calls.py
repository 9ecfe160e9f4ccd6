"""The calls of clients without a session: one that asks something waits here for the request with the answers."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from vmcp_proxy.backends.credentials import Credentials
from vmcp_proxy.backends.errors import Category
from vmcp_proxy.backends.interface import Reply as BackendReply
from vmcp_proxy.clients.rounds.asked_client import AskedClient
from vmcp_proxy.clients.rounds.leases import CallLease, Leases
from vmcp_proxy.core.calls.pausing.moving_exchange import MovingExchange
from vmcp_proxy.core.calls.pausing.round_state import Parked
from vmcp_proxy.core.calls.pausing.rounds import RequestStates
from vmcp_proxy.core.calls.pausing.running_call import Answered, RunningCall
from vmcp_proxy.core.client import ClientContext
from vmcp_proxy.core.outcomes import Limited, Lost, RawFailure, Reply, Result, Unavailable, Unchecked
from vmcp_proxy.core.parking import Claim, Parking
from vmcp_proxy.core.shares import holder_of, identity_of
from vmcp_proxy.core.virtual import Caller, Exchange, Operation, VirtualMCP, call
from vmcp_proxy.protocol.initialize import NO_CAPABILITIES
from vmcp_proxy.protocol.modern.input_required import (
    MAY_ASK,
    STATE,
    Question,
    can_be_asked,
    encode_input_required,
    progress_token_of,
    read_answers,
)

PARKED_SECONDS: Final = 600.0
"""How long a call waits for its client, who may have to find somebody to ask."""

MOST_KEPT: Final = 64 << 10
"""Bytes of an answer that came while nobody waited for it, and is kept for who comes back."""

_CROWDED: Final = Unavailable(
    "", Category.BUSY.value, "Too many calls wait for their clients here; answer or abandon some, or try again later."
)

Answers: TypeAlias = Mapping[str, msgspec.Raw]
"""What a client answers, by the keys of the questions."""

Hold: TypeAlias = Callable[[ClientContext], Callable[[], None]]
"""Keeps what is held for a client, until what is returned is called."""

CredentialsOf: TypeAlias = Callable[[Caller, str], Credentials]
"""What requests of a caller to a backend, by name, are made with."""

Charge: TypeAlias = Callable[[Caller], Awaitable[Limited | Unchecked | None]]
"""Takes the tokens of a request that is no operation; what refuses it."""

Follow: TypeAlias = Callable[[Exchange], Exchange]
"""The next exchange of a call, made of the one before."""


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What the next request of a call brings: what the client answers, and where it wants to hear of progress."""

    answers: Answers
    progress_token: msgspec.Raw | None = None


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """The call waits for its client, at this place."""

    questions: tuple[Question, ...]
    place: Parked
    backend: str


Leg: TypeAlias = Reply | Waiting
"""What comes of one request of a call."""


class Elsewhere(Protocol):
    """The processes that other calls wait in."""

    async def go_on(self, place: Parked, turn: Turn, exchange: Exchange) -> Leg:
        """What comes of the answers to a call there; `Lost` where it does not wait there, or the process is gone."""


@dataclass(slots=True, eq=False)
class PausedCall:
    """A call that is running, or waits; `exchange` is that of the request that it belongs to now."""

    running: RunningCall
    exchange: MovingExchange
    claim: Callable[[], Claim]
    is_parked: bool = False

    def cancel(self) -> None:
        """See `Parkable.cancel`."""
        self.running.cancel()


class PausableCalls:
    """Calls of the `core`; those that may ask something run in `tasks`, each in a task of its own.

    `pod` is the name of this process. `maximum` gives the bound of any call, in seconds. `credentials_of` says what a
    call in another process was made with: its answer may repeat it. `charge` takes a token of a caller's rate limits.
    """

    def __init__(
        self,
        core: VirtualMCP,
        states: RequestStates,
        leases: Leases,
        parking: Parking[PausedCall],
        elsewhere: Elsewhere,
        hold: Hold,
        tasks: asyncio.TaskGroup,
        pod: str,
        maximum: Callable[[], float],
        credentials_of: CredentialsOf,
        charge: Charge,
    ) -> None:
        self._core: Final = core
        self._states: Final = states
        self._leases: Final = leases
        self._parking: Final = parking
        self._elsewhere: Final = elsewhere
        self._hold: Final = hold
        self._tasks: Final = tasks
        self._pod: Final = pod
        self._maximum: Final = maximum
        self._credentials_of: Final = credentials_of
        self._charge: Final = charge

    def call(self, caller: Caller, operation: Operation, exchange: Exchange) -> Coroutine[Any, Any, Reply]:
        """The answer to one request of this caller, which may be what it is asked.

        Raises:
            InvalidParamsError: the params do not have the shape of the method, or go on with what is not there.
        """
        # Most calls cannot pause: they go without a frame of their own here.
        if operation.method not in MAY_ASK:
            return call(self._core, caller, operation, exchange)
        members = operation.parsed
        if members is None:
            members = operation.members
            operation = msgspec.structs.replace(operation, parsed=members)
        capabilities = caller.client.terms.capabilities
        asks = capabilities != NO_CAPABILITIES and can_be_asked(capabilities)
        if not asks and STATE not in members:
            return call(self._core, caller, operation, exchange)
        return self._pausing(caller, operation, exchange, asks=asks)

    async def _pausing(self, caller: Caller, operation: Operation, exchange: Exchange, *, asks: bool) -> Reply:
        members = operation.members
        place = self._states.parked_at(caller, operation) if STATE in members else None
        if place is not None:
            turn = Turn(read_answers(members), progress_token_of(members))
            # Who brings an answer goes on with a call that has had its tokens; who asks whether there is news pays.
            if turn.answers.keys().isdisjoint(place.asked) and (refused := await self._charge(caller)) is not None:
                return refused
            leg = await self._resumed(caller, place, turn, exchange)
        elif asks:
            leg = await self._until_pause(self._begun(caller, operation, exchange))
        else:
            return await call(self._core, caller, operation, exchange)
        if not isinstance(leg, Waiting):
            return leg
        place = msgspec.structs.replace(leg.place, asked=tuple(question.key for question in leg.questions))
        state = self._states.for_parked(caller, operation, place, self._seconds)
        return Result(encode_input_required(leg.questions, state), leg.backend)

    async def go_on(self, number: int, turn: Turn, follow: Follow) -> Leg:
        """What comes of the answers to a call that waits in this process."""
        paused = self._parking.take(number)
        if paused is None:
            return Lost()
        paused.is_parked = False
        try:
            paused.exchange.follow(follow, turn.progress_token)
            await paused.running.answer(turn.answers)
        except BaseException:
            paused.cancel()
            raise
        return await self._until_pause(paused)

    @property
    def _seconds(self) -> float:
        return min(PARKED_SECONDS, self._maximum())

    async def _resumed(self, caller: Caller, place: Parked, turn: Turn, exchange: Exchange) -> Leg:
        if place.pod == self._pod:
            return await self.go_on(place.number, turn, lambda _former: exchange)
        if place.tool:
            exchange.called(place.tool)
        leg = await self._elsewhere.go_on(place, turn, exchange)
        if isinstance(leg, Result | RawFailure | Unavailable | Waiting) and leg.backend:
            exchange.routed(leg.backend, self._credentials_of(caller, leg.backend))
        return leg

    def _begun(self, caller: Caller, operation: Operation, first: Exchange) -> PausedCall:
        lease, release, exchange = self._leases.begin(caller), self._hold(caller.client), MovingExchange(first)

        def on_done(running: RunningCall) -> None:
            lease.end()
            release()
            self._forget_large(paused, running)

        def claim() -> Claim:
            return Claim(holder, identity, lease.backends)

        running, holder, identity = RunningCall(on_done), holder_of(caller), identity_of(caller)
        paused = PausedCall(running, exchange, claim)
        client = self._asked(caller, paused, lease)
        inner = Caller(caller.identity, client, caller.snapshot)
        running.begin(self._tasks, lambda: call(self._core, inner, operation, exchange), f"call {operation.method}")
        return paused

    def _asked(self, caller: Caller, paused: PausedCall, lease: CallLease) -> AskedClient:
        def send_later(reply: BackendReply, answer: bytes) -> None:
            self._tasks.create_task(_send(reply, answer), name="give up a request to a client")

        def has_room() -> bool:
            return self._parking.has_room(paused.claim())

        client = AskedClient(caller, paused.running, lease, has_room, send_later)
        lease.holder = client
        return client

    async def _until_pause(self, paused: PausedCall) -> Leg:
        try:
            came = await paused.running.next()
        except BaseException:
            # Its client is gone, and nobody else can go on with it.
            paused.cancel()
            raise
        if isinstance(came, Answered):
            return came.reply
        paused.exchange.pause()
        number = self._parking.park(paused, paused.claim(), self._seconds)
        if number is None:
            paused.cancel()
            return _CROWDED
        paused.is_parked = True
        return Waiting(came.questions, Parked(self._pod, number, paused.exchange.tool), paused.exchange.backend)

    def _forget_large(self, paused: PausedCall, running: RunningCall) -> None:
        """Keeps no large answer for a client that may never come back."""
        reply = running.reply
        if paused.is_parked and isinstance(reply, Result) and len(memoryview(reply.raw)) > MOST_KEPT:
            self._parking.end(lambda each: each is paused)


async def _send(reply: BackendReply, answer: bytes) -> None:
    await reply(answer)
