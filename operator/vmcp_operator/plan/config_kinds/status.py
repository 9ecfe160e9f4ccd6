"""What the statuses of all settings that others refer to have in common: whether they are valid, and who uses them."""

from typing import Final, TypeVar

from vmcp_api.kinds.status import ConfigStatus, WorkloadReference
from vmcp_api.manifests.problems import Problems
from vmcp_api.render.member import Refusal
from vmcp_api.render.reasons import Reason
from vmcp_operator.plan.conditions import Finding, PhaseReason, build_conditions, summarise
from vmcp_operator.plan.controller import Read, Selection
from vmcp_operator.plan.kinds import ENTRY, SERVER, VMCP, Kind, Ref
from vmcp_operator.plan.world import World

VALID: Final = "Valid"
USERS: Final = (VMCP, SERVER, ENTRY)
"""Kinds that refer to settings."""

MOST: Final = 256
"""Users that a status names; the count beside them is whole."""

_HOLDS: Final = {VALID: True, "Pending": None, "Failed": False}
_MAY_COME: Final = frozenset({Reason.CA_BUNDLE_NOT_FOUND})

NOTHING: Final = Problems()

StatusT = TypeVar("StatusT", bound=ConfigStatus)


def users_of(key: Ref, kinds: tuple[Kind, ...]) -> tuple[Read, ...]:
    """Reads all objects of some kinds that refer to the settings."""
    return tuple(Selection(kind, key) for kind in kinds)


def config_status(
    status_type: type[StatusT], world: World, refusals: tuple[Refusal, ...], doubts: Problems = NOTHING
) -> tuple[StatusT, PhaseReason]:
    """The status of settings; the refusals say why they are of no use although they validate.

    What is in doubt stands in the message of settings that are valid.
    """
    finding, decided = judge(world, refusals, doubts)
    users = referrers(world)
    status = status_type(
        observed_generation=world.generation,
        reference_count=len(users),
        referencing_workloads=tuple(WorkloadReference(kind=kind, name=name) for kind, name in users[:MOST]),
        conditions=build_conditions((finding,), world.conditions, world.now, world.generation, decided),
    )
    return status, decided


def judge(world: World, refusals: tuple[Refusal, ...] = (), doubts: Problems = NOTHING) -> tuple[Finding, PhaseReason]:
    """The condition `Valid` of settings, and what the reporter makes of it."""
    decided = _decide(world, refusals, doubts)
    return Finding(VALID, _HOLDS[decided.phase], decided.reason, decided.message), decided


def referrers(world: World) -> list[tuple[str, str]]:
    """Kind and name of every resource that refers to the settings, sorted."""
    return sorted((ref.kind.name, ref.name) for ref in world.found if ref.kind in USERS)


def _decide(world: World, refusals: tuple[Refusal, ...], doubts: Problems) -> PhaseReason:
    if world.problems:
        return PhaseReason("Failed", "Invalid", summarise(world.problems))
    if not refusals:
        return PhaseReason(VALID, VALID, summarise(doubts))
    reason = refusals[0].reason
    youth = world.youth if reason in _MAY_COME else None
    message = "; ".join(str(each.problem) for each in refusals)
    return PhaseReason("Pending" if youth else "Failed", reason, message, youth)
