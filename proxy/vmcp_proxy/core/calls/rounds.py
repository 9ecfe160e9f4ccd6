"""The states of calls that pause, under the keys in force and by the clock (ADR-0061)."""

import time
from collections.abc import Callable
from typing import Final

from vmcp_proxy.core.calls.round_state import (
    Binding,
    Flaw,
    Opened,
    Parked,
    Relayed,
    bind,
    open_state,
    raw_text,
    read_text,
    seal_parked,
    seal_relayed,
)
from vmcp_proxy.core.virtual import Caller, Operation
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.params import InvalidParamsError, Members, encode_members, parse_members

STATE: Final = "requestState"
_ARGUMENTS: Final = "arguments"
_NULL: Final = b"null"
_REFUSED: Final = "The requestState cannot be used: {flaw}. Begin again without it."
_NO_TEXT: Final = 'The member "requestState" must be a text.'


class RequestStates:
    """Makes and reads them; `keyring` gives the keys of now."""

    def __init__(self, keyring: Callable[[], Keyring], clock: Callable[[], float] = time.time) -> None:
        self._keyring: Final = keyring
        self._clock: Final = clock

    def parked_at(self, caller: Caller, operation: Operation) -> Parked | None:
        """Where the call waits that the request goes on with; None where it is about no such call.

        Raises:
            InvalidParamsError: it is not for this caller or this request, or is too old.
        """
        text = _state_of(operation.members)
        opened = None if text is None else open_state(self._keyring(), text, self._clock())
        if not isinstance(opened, Opened) or not isinstance(opened.content, Parked):
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

    def sealed(self, raw: Raw, caller: Caller, operation: Operation, backend: str) -> Raw:
        """A backend's result with its state sealed; the same where it has none.

        Raises:
            InvalidParamsError: the result or the request cannot be read.
        """
        members = parse_members(raw)
        state = None if STATE not in members else read_text(members[STATE])
        if state is None:
            return raw
        binding = binding_of(caller, operation, backend)
        members[STATE] = raw_text(seal_relayed(self._keyring(), binding, state, self._clock()))
        return encode_members(members)


def binding_of(caller: Caller, operation: Operation, backend: str) -> Binding:
    """What the state of a request is good for: the arguments are those that the client has written.

    Raises:
        InvalidParamsError: they cannot be read.
    """
    arguments = parse_members(operation.params).get(_ARGUMENTS)
    return bind(caller.identity, caller.snapshot, operation.method, operation.name, arguments, backend)


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
