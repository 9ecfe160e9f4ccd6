"""The status of a VirtualMCPCompositeToolDefinition."""

from dataclasses import replace
from typing import Final

from vmcp_api.kinds import VirtualMCPCompositeToolDefinition
from vmcp_api.kinds.virtualmcpcompositetooldefinition import (
    MAX_ERRORS,
    MAX_REFERRERS,
    ValidationStatus,
    VirtualMCPCompositeToolDefinitionStatus,
)
from vmcp_api.render.composites import doubt_tool
from vmcp_operator.plan.conditions import PhaseReason, build_conditions
from vmcp_operator.plan.config_kinds.status import NOTHING, judge, referrers, users_of
from vmcp_operator.plan.controller import Controller, Planned, Read, plan_nothing
from vmcp_operator.plan.kinds import COMPOSITE_TOOL, VMCP, Ref
from vmcp_operator.plan.world import Outcome, World

_LONGEST: Final = 1024


def composite_tool_reads(key: Ref, _found: object) -> tuple[Read, ...]:
    """The endpoints that serve it."""
    return users_of(key, (VMCP,))


def composite_tool_status(
    world: World, _planned: Planned, _outcome: Outcome
) -> tuple[VirtualMCPCompositeToolDefinitionStatus, PhaseReason]:
    """Whether its workflow can run, as far as that follows from itself: tools are known to each endpoint's pods."""
    definition = world.resources.of(VirtualMCPCompositeToolDefinition).get(world.key.name)
    doubts = doubt_tool(definition.spec, ("spec",), "") if definition else NOTHING
    finding, decided = judge(world, doubts=doubts)
    # The subject of each is the resource itself.
    errors = tuple(str(replace(each, subject=""))[:_LONGEST] for each in world.problems)
    status = VirtualMCPCompositeToolDefinitionStatus(
        observed_generation=world.generation,
        validation_status=ValidationStatus.INVALID if errors else ValidationStatus.VALID,
        validation_errors=errors[:MAX_ERRORS],
        referencing_virtual_servers=tuple(name for _, name in referrers(world))[:MAX_REFERRERS],
        conditions=build_conditions((finding,), world.conditions, world.now, world.generation, decided),
    )
    return status, decided


COMPOSITE_TOOL_CONTROLLER: Final[Controller[Planned]] = Controller(
    kind=COMPOSITE_TOOL,
    status_type=VirtualMCPCompositeToolDefinitionStatus,
    reads=composite_tool_reads,
    plan=plan_nothing,
    status=composite_tool_status,
)
