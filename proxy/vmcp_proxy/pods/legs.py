"""The form in which one pod hands the answers to a waiting call to another one, and gets back what comes of them."""

from collections.abc import Iterator
from typing import Final, Self, TypeAlias

import msgspec

from vmcp_proxy.backends.errors import Category
from vmcp_proxy.clients.rounds.pausable_calls import Leg, Turn, Waiting
from vmcp_proxy.core.calls.pausing.round_state import Parked
from vmcp_proxy.core.outcomes import Invalid, Lost, RawFailure, Result, Unavailable
from vmcp_proxy.protocol.modern.input_required import Question

CHUNK_BYTES: Final = 512 << 10
"""So much of a leg goes in one message."""

_NO_FORM: Final = "The call ended with something that cannot be handed over to this replica."


class Errand(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which call goes on with which answers; `takes_messages` whether its client takes some before the answer."""

    number: int
    answers: dict[str, bytes]
    progress_token: bytes | None
    takes_messages: bool

    @classmethod
    def of(cls, number: int, turn: Turn, *, takes_messages: bool) -> Self:
        """The errand to the pod where the call waits."""
        answers = {key: bytes(raw) for key, raw in turn.answers.items()}
        return cls(number, answers, _bytes_of(turn.progress_token), takes_messages)

    @property
    def turn(self) -> Turn:
        """The same again."""
        return Turn({key: msgspec.Raw(raw) for key, raw in self.answers.items()}, _raw_of(self.progress_token))


class Chunk(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A part of something, in order; `sender` is the pod that it comes from."""

    sender: str
    is_last: bool
    part: bytes


class _Result(msgspec.Struct, frozen=True, array_like=True, tag="result", gc=False):
    raw: bytes
    backend: str


class _Failure(msgspec.Struct, frozen=True, array_like=True, tag="failure", gc=False):
    error: bytes
    backend: str


class _Unavailable(msgspec.Struct, frozen=True, array_like=True, tag="unavailable", gc=False):
    backend: str
    category: str
    message: str
    retry_after: int | None


class _Invalid(msgspec.Struct, frozen=True, array_like=True, tag="invalid", gc=False):
    reason: str


class _Lost(msgspec.Struct, frozen=True, array_like=True, tag="lost", gc=False):
    pass


class _Waiting(msgspec.Struct, frozen=True, array_like=True, tag="waiting", gc=False):
    questions: tuple[tuple[str, str, bytes | None], ...]
    pod: str
    number: int
    backend: str
    tool: str = ""


_Wire: TypeAlias = _Result | _Failure | _Unavailable | _Invalid | _Lost | _Waiting
_decode: Final = msgspec.msgpack.Decoder(_Wire).decode


def encode_leg(leg: Leg) -> bytes:
    """What came of the answers."""
    return msgspec.msgpack.encode(_wire_of(leg))


def decode_leg(raw: bytes) -> Leg:  # noqa: PLR0911 - a row for each form
    """The same again; `Lost` where another version of this program has written what this one does not know."""
    try:
        wire: _Wire = _decode(raw)
    except msgspec.DecodeError:
        return Lost()
    match wire:
        case _Lost():
            return Lost()
        case _Result():
            return Result(wire.raw, wire.backend)
        case _Failure():
            return RawFailure(wire.error, wire.backend)
        case _Unavailable():
            return Unavailable(wire.backend, wire.category, wire.message, wire.retry_after)
        case _Invalid():
            return Invalid(wire.reason)
        case _Waiting():
            asked = (Question(key, method, _raw_of(text)) for key, method, text in wire.questions)
            return Waiting(tuple(asked), Parked(wire.pod, wire.number, wire.tool), wire.backend)


def chunks_of(sender: str, raw: bytes) -> Iterator[bytes]:
    """The messages that carry something of any size."""
    view = memoryview(raw)
    for start in range(0, max(len(view), 1), CHUNK_BYTES):
        part = bytes(view[start : start + CHUNK_BYTES])
        yield msgspec.msgpack.encode(Chunk(sender, start + CHUNK_BYTES >= len(view), part))


def _wire_of(leg: Leg) -> _Wire:  # noqa: PLR0911 - a row for each form
    match leg:
        case Result():
            return _Result(bytes(leg.raw), leg.backend)
        case RawFailure():
            return _Failure(bytes(leg.error), leg.backend)
        case Unavailable():
            return _Unavailable(leg.backend, leg.category, leg.message, leg.retry_after)
        case Invalid():
            return _Invalid(leg.reason)
        case Lost():
            return _Lost()
        case Waiting():
            asked = (
                (each.key, each.method, None if each.params is None else bytes(each.params)) for each in leg.questions
            )
            place = leg.place
            return _Waiting(tuple(asked), place.pod, place.number, leg.backend, place.tool)
    # What a call that was admitted before does not come to.
    return _Unavailable("", Category.FAILED.value, _NO_FORM, None)


def _bytes_of(raw: msgspec.Raw | None) -> bytes | None:
    return None if raw is None else bytes(raw)


def _raw_of(text: bytes | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text)
