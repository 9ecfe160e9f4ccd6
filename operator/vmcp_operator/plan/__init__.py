"""Decides, without I/O, what one resource's world asks for: `decide`, then `tell` once that was carried out."""

from dataclasses import dataclass

from vmcp_api.manifests.problems import Problems
from vmcp_operator.plan.conditions import PhaseReason
from vmcp_operator.plan.entry import entry_status, plan_entry
from vmcp_operator.plan.group import group_status, plan_group
from vmcp_operator.plan.kinds import ENTRY, MCP_GROUP, SERVER, VMCP
from vmcp_operator.plan.server.plan import plan_server, server_status
from vmcp_operator.plan.vmcp.plan import VmcpPlan, plan_vmcp
from vmcp_operator.plan.vmcp.status import vmcp_status
from vmcp_operator.plan.world import Outcome, Plan, Status, World

__all__ = ["Decision", "Outcome", "PhaseReason", "Plan", "Status", "World", "decide", "tell"]


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan, with what its kind needs to tell its status."""

    plan: Plan
    problems: Problems
    vmcp: VmcpPlan | None = None


def decide(world: World) -> Decision:
    """The plan of a resource of any of our kinds.

    Raises:
        ValueError: the key is of another kind.
    """
    match world.key.kind:
        case kind if kind is VMCP:
            planned = plan_vmcp(world)
            return Decision(planned.plan, planned.template_problems, planned)
        case kind if kind is SERVER:
            plan, problems = plan_server(world)
            return Decision(plan, problems)
        case kind if kind is MCP_GROUP:
            return Decision(plan_group(world), world.problems)
        case kind if kind is ENTRY:
            return Decision(plan_entry(world), world.problems)
        case kind:
            raise ValueError(f"{kind} has no plan")


def tell(world: World, decision: Decision, outcome: Outcome) -> tuple[Status, PhaseReason]:
    """The status of a resource after its plan was carried out."""
    if decision.vmcp is not None:
        return vmcp_status(world, decision.vmcp, outcome)
    if world.key.kind is SERVER:
        return server_status(world, decision.problems, outcome)
    if world.key.kind is MCP_GROUP:
        return group_status(world)
    return entry_status(world)
