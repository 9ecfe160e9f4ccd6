"""What the outcome of a request makes of its backend: one table for health and circuit (ADR-0025)."""

from enum import StrEnum
from typing import Final

from vmcp_api.pod_status import CircuitState, Health
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.core.members.circuit import Permit
from vmcp_proxy.core.members.member import Member


class Asked(StrEnum):
    """What was asked of the backend."""

    PROBE = "probe"
    LISTING = "listing"
    CALL = "call"


_NOT_ASKED: Final = frozenset({Category.HEADERS, Category.ENDED, Category.FULL, Category.CIRCUIT_OPEN})
_ALIVE: Final = frozenset({Category.AUTH, Category.TOO_LARGE, Category.BUSY})
_PERHAPS_THE_CALLS: Final = frozenset(
    {Category.TIMEOUT, Category.REFUSED, Category.FAILED, Category.PROTOCOL, Category.NOT_RUNNING}
)
"""What one slow tool or one odd argument can bring about while everything else works: all but being unreachable."""


def answered(member: Member, permit: Permit, asked: Asked, *, is_callers: bool = False) -> bool:
    """Notes an answer, errors of MCP included; True where lists or status may differ from now on.

    `is_callers`: the request showed credentials of a client. That those are taken does not mean that the
    backend's own credentials are; and a list that was told to them alone does not heal it, for a backend that
    fails without them would go up and down for ever, each turn having the lists read again.
    """
    if not member.circuit.counts(permit):
        return False
    closed = member.circuit.succeeded(permit)
    health = member.health
    turns = health.turns
    is_about_others = is_callers and (
        health.state is Health.UNAUTHENTICATED or (asked is Asked.LISTING and health.is_down)
    )
    healed = not is_about_others and health.succeeded()
    if closed or health.turns != turns:
        member.attention.set()
    return closed or healed


def failed(
    member: Member, permit: Permit, error: BackendError, asked: Asked, now: float, *, is_callers: bool = False
) -> bool:
    """Notes that there was no answer; True where lists or status may differ from now on.

    `is_callers`: the request showed credentials of a client, and it is those that were refused.
    """
    circuit = member.circuit
    if not circuit.counts(permit):
        return False
    if error.category in _NOT_ASKED:
        circuit.abandoned(permit)
        return False
    if error.category is Category.CREDENTIALS:
        # Whoever hands them out has failed, or has refused this caller: nothing is known of the backend itself.
        circuit.abandoned(permit)
        return not is_callers and member.health.failed(error.category, str(error), error.told)
    turns = member.health.turns
    moved = _move(member, permit, error, asked, now)
    told = _tell(member, error, asked, is_callers=is_callers)
    if moved and circuit.state is CircuitState.OPEN:
        member.health.given_up()
    elif moved and error.category in _ALIVE and told is None:
        member.health.succeeded()
    if moved or circuit.is_doubted or member.health.turns != turns:
        member.attention.set()
    return moved or bool(told)


def _move(member: Member, permit: Permit, error: BackendError, asked: Asked, now: float) -> bool:
    if error.category in _ALIVE:
        return member.circuit.succeeded(permit)
    is_doubtful = error.category is Category.TIMEOUT if asked is Asked.LISTING else error.category in _PERHAPS_THE_CALLS
    if is_doubtful and asked is not Asked.PROBE:
        return member.circuit.doubted(permit, now)
    return member.circuit.failed(permit, now)


def _tell(member: Member, error: BackendError, asked: Asked, *, is_callers: bool) -> bool | None:
    """Feeds the health; None where the error says nothing of the backend."""
    are_refused = error.category is Category.AUTH and is_callers
    is_the_calls = asked is Asked.CALL and error.category in _PERHAPS_THE_CALLS
    is_busy = error.category is Category.BUSY and asked is not Asked.LISTING
    if are_refused or is_the_calls or is_busy or error.category is Category.TOO_LARGE:
        return None
    return member.health.failed(error.category, str(error), error.told)
