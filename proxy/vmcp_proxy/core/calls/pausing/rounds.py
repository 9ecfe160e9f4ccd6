"""Calls of clients without a session to backends that answer with questions: the rounds are relayed (ADR-0061)."""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.calls.forwarder import Forwarder
from vmcp_proxy.core.calls.pausing.round_state import (
    Binding,
    Flaw,
    Parked,
    Relayed,
    bind,
    open_state,
    seal_parked,
    seal_relayed,
)
from vmcp_proxy.core.calls.replies import unavailable
from vmcp_proxy.core.outcomes import RawFailure, Reply, Result, Unavailable
from vmcp_proxy.core.virtual import Caller, Exchange, Operation, Target
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.protocol.modern.input_required import (
    MAY_ASK,
    RESPONSES,
    STATE,
    is_declined,
    is_input_required,
    raw_text,
    read_text,
    unasked_for,
    visits_of,
)
from vmcp_proxy.protocol.params import InvalidParamsError, Members, encode_members, marks_of, parse_members

_ARGUMENTS: Final = "arguments"
_NULL: Final = b"null"
_DECLINED: Final = "{backend} needs you to visit a page first, and that was declined."
_REFUSED: Final = "The requestState cannot be used: {flaw}. Begin again without it."
_NO_TEXT: Final = 'The member "requestState" must be a text.'


class RequestStates:
    """Makes and reads the states of calls that pause, under the keys that `keyring` gives now and by the clock."""

    def __init__(self, keyring: Callable[[], Keyring], clock: Callable[[], float] = time.time) -> None:
        self._keyring: Final = keyring
        self._clock: Final = clock

    def parked_at(self, caller: Caller, operation: Operation) -> Parked | None:
        """Where the call waits that the request goes on with; None where it has no state, or that of a backend.

        A state that was not given out here is refused whoever would answer: a call that begins anew instead, because
        the one before is unknown, does once more what that one has done.

        Raises:
            InvalidParamsError: it was changed, is not for this caller or this request, or is too old.
        """
        text = _state_of(operation.members)
        if text is None:
            return None
        opened = open_state(self._keyring(), text, self._clock())
        if isinstance(opened, Flaw):
            raise InvalidParamsError(_REFUSED.format(flaw=opened.value))
        if not isinstance(opened.content, Parked):
            return None
        _check(opened.flaw_for(binding_of(caller, operation, "")))
        return opened.content

    def for_parked(self, caller: Caller, operation: Operation, place: Parked, seconds: float) -> str:
        """What lets the client go on with a call that waits for so long."""
        return seal_parked(self._keyring(), binding_of(caller, operation, ""), place, self._clock() + seconds)

    def unsealed(self, members: Members, caller: Caller, operation: Operation, backend: str) -> None:
        """Puts the backend's own state in place of what the client has got for it.

        Raises:
            InvalidParamsError: it is not for this caller or this request, was changed, or is too old.
        """
        text = _state_of(members)
        if text is None:
            members.pop(STATE, None)
            return
        opened = open_state(self._keyring(), text, self._clock())
        if isinstance(opened, Flaw):
            _check(opened)
        elif isinstance(opened.content, Relayed):
            _check(opened.flaw_for(binding_of(caller, operation, backend)))
            members[STATE] = raw_text(opened.content.state)
        else:
            _check(Flaw.OTHER_REQUEST)

    def seal(self, members: Members, caller: Caller, operation: Operation, backend: str) -> None:
        """Puts what the client gets in place of the state in a backend's result, where there is one.

        Raises:
            InvalidParamsError: the state is no text, or the request cannot be read.
        """
        state = _state_of(members)
        if state is not None:
            binding = binding_of(caller, operation, backend)
            members[STATE] = raw_text(seal_relayed(self._keyring(), binding, state, self._clock()))


class Rounds:
    """Between a client without a session and its backends: what it is asked, and the state that comes back with it."""

    def __init__(self, forwarder: Forwarder, states: RequestStates) -> None:
        self._forwarder: Final = forwarder
        self._states: Final = states

    async def forward(self, caller: Caller, target: Target, operation: Operation, exchange: Exchange) -> Reply:
        """See `Forwarder.forward`; a request that goes on with another one has the backend's own state.

        Raises:
            InvalidParamsError: the params do not have the shape of the method, or their state is not for this request.
        """
        if operation.inner is not None or operation.method not in MAY_ASK:
            return await self._forwarder.forward(caller, target, operation, exchange)
        backend = target.member.name
        members = operation.members if operation.parsed is None else operation.parsed
        if RESPONSES in members and is_declined(members):
            return Unavailable(backend, Category.REFUSED.value, _DECLINED.format(backend=backend))
        if STATE in members:
            members = members.copy()
            self._states.unsealed(members, caller, operation, backend)
            operation = msgspec.structs.replace(operation, parsed=members)
        reply = await self._forwarder.forward(caller, target, operation, exchange)
        if isinstance(reply, RawFailure):
            visits = visits_of(reply.error, caller.client.terms.capabilities)
            return reply if visits is None else Result(visits, backend, marks_of(visits))
        if not isinstance(reply, Result):
            return reply
        marks = marks_of(reply.raw) if reply.marks is None else reply.marks
        if marks.result_type is msgspec.UNSET or not is_input_required(marks.result_type):
            return reply
        return self._relayed(reply, caller, operation, backend)

    def _relayed(self, reply: Result, caller: Caller, operation: Operation, backend: str) -> Reply:
        """What the client is asked, if it may be."""
        members = parse_members(reply.raw)
        try:
            lack = unasked_for(members, caller.client.terms.capabilities)
            if lack is None:
                self._states.seal(members, caller, operation, backend)
        except InvalidParamsError as error:
            return unavailable(BackendError(backend, Category.PROTOCOL, f"what it asks for is malformed: {error}"))
        if lack is not None:
            return unavailable(BackendError(backend, Category.PROTOCOL, f"it asks for {lack}, which is not declared"))
        return Result(encode_members(members), backend, reply.marks)


def binding_of(caller: Caller, operation: Operation, backend: str) -> Binding:
    """What the state of a request is good for: the arguments are those that the client has written.

    Raises:
        InvalidParamsError: they cannot be read.
    """
    arguments = parse_members(operation.params).get(_ARGUMENTS)
    return bind(caller.identity, caller.snapshot, operation.method, operation.name, arguments, backend)


def check_begins(members: Members) -> None:
    """Lets pass only what begins a call: whoever answers this request has given out no state.

    Raises:
        InvalidParamsError: it goes on with another request.
    """
    if _state_of(members) is not None:
        _check(Flaw.OTHER_REQUEST)


def _state_of(members: Members) -> str | None:
    """The state that came; None where there is none.

    Raises:
        InvalidParamsError: it is no text.
    """
    raw = members.get(STATE)
    if raw is None or bytes(raw) == _NULL:
        return None
    text = read_text(raw)
    if text is None:
        raise InvalidParamsError(_NO_TEXT)
    return text


def _check(flaw: Flaw | None) -> None:
    if flaw is not None:
        raise InvalidParamsError(_REFUSED.format(flaw=flaw.value))
