"""What the operator knows of one kind, in one record: controller-runtime's For, Owns and Watches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from vmcp_api.kinds.status import StatusModel
from vmcp_api.manifests.problems import Problems
from vmcp_api.manifests.resources import Resources
from vmcp_operator.plan.conditions import PhaseReason
from vmcp_operator.plan.kinds import Kind, Manifest, Ref
from vmcp_operator.plan.world import Outcome, Plan, World


@dataclass(frozen=True, slots=True)
class Selection:
    """Every object of a kind that points to another object, now and later."""

    kind: Kind
    to: Ref


Read: TypeAlias = Ref | Selection
"""What a reconcile reads, whether it is there or not; a change of it wakes the key."""


@dataclass(frozen=True, slots=True)
class Child:
    """A child that the operator may have made.

    One that is not wanted is read to delete it, and counts as absent where the right to read it is missing.
    """

    ref: Ref
    is_wanted: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, with why the resource cannot be carried out as it is written."""

    plan: Plan = field(default_factory=Plan)
    problems: Problems = field(default_factory=Problems)


PlannedT = TypeVar("PlannedT", bound=Planned)


def no_children(_key: Ref, _found: Resources, _manifest: Manifest) -> tuple[Child, ...]:
    """Nothing runs for the kind."""
    return ()


def no_reads(_key: Ref, _found: Resources) -> tuple[Read, ...]:
    """The resource alone decides."""
    return ()


def points_nowhere(_manifest: Mapping[str, Any]) -> tuple[Ref, ...]:
    """Nobody finds objects of the kind by what they point to."""
    return ()


def always(_manifest: Mapping[str, Any]) -> bool:
    """Every object of the kind is for this operator."""
    return True


def plan_nothing(world: World) -> Planned:
    """Only a status is written."""
    return Planned(problems=world.problems)


@dataclass(frozen=True, slots=True)
class Controller(Generic[PlannedT]):
    """How one kind is reconciled; every function is pure.

    `status_type` is the model of its status. `children(key, found, manifest)` are what it Owns.

    `reads(key, found)` are what it Watches: it is asked again with what was found until it names nothing new, as one
    reference leads to the next. `points_to(manifest)` are the objects by which a `Selection` finds an object of this
    kind, valid or not. `plan(world)` decides what to do, `status(world, planned, outcome)` what is said once that was
    done; a status of None leaves the present one. `is_ours(manifest)` is False for an object of which another operator
    tells, so that nothing is written into its status, a failure neither.
    """

    kind: Kind
    status_type: type[StatusModel]
    status: Callable[[World, PlannedT, Outcome], tuple[StatusModel | None, PhaseReason]]
    plan: Callable[[World], PlannedT]
    reads: Callable[[Ref, Resources], tuple[Read, ...]] = no_reads
    children: Callable[[Ref, Resources, Manifest], tuple[Child, ...]] = no_children
    points_to: Callable[[Mapping[str, Any]], tuple[Ref, ...]] = points_nowhere
    is_ours: Callable[[Mapping[str, Any]], bool] = always
