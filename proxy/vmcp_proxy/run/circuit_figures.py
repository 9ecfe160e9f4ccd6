"""What the metrics say of breakers: figures by backend, of those whose breaker is on."""

from collections.abc import Iterator
from typing import Final

from vmcp_api.pod_status import CircuitState
from vmcp_proxy.core.members.member import Member, Members

_LEVEL: Final = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}


def states(members: Members) -> dict[str, float]:
    """The state of each: 0 closed, 1 half-open, 2 open."""
    return {member.name: _LEVEL[member.circuit.state] for member in _guarded(members)}


def transitions(members: Members) -> dict[tuple[str, ...], float]:
    """How often each has entered a state, by (backend, state)."""
    return {
        (member.name, state.value): count
        for member in _guarded(members)
        for state, count in member.circuit.entered.items()
    }


def refused(members: Members) -> dict[str, float]:
    """How many requests each did not let pass."""
    return {member.name: member.circuit.refused for member in _guarded(members)}


def _guarded(members: Members) -> Iterator[Member]:
    return (member for _, member in sorted(members.items()) if member.circuit.is_enabled)
