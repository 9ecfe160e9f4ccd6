"""The filters and overrides of every member, with the references to MCPToolConfigs followed (ADR-0054)."""

from collections.abc import Iterator
from dataclasses import replace

from vmcp_api.kinds import MCPToolConfig, VirtualMCPServer
from vmcp_api.kinds.mcptoolconfig import MCPToolConfigSpec
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.manifests.resolve import Member, follow
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import Refusal, subject_of
from vmcp_api.render.reasons import Reason
from vmcp_api.render.tools.layers import Layer, find_lost, layer_of_config, layer_of_entry, stack
from vmcp_api.spec.aggregation import Aggregation, Visibility, WorkloadTools
from vmcp_api.spec.references import NameRef

_OWN: Loc = ("spec", "toolConfigRef")


def refuse_tool_config(member: Member, resources: Resources) -> Refusal | None:
    """What is wrong with the reference of a member itself."""
    found = _follow_own(member, resources)
    return found if isinstance(found, Refusal) else None


def refuse_tools(member: Member, vmcp: VirtualMCPServer, resources: Resources) -> Refusal | None:
    """A member of which it cannot be told which tools are served: without its filter it might be more than meant."""
    if refusal := refuse_tool_config(member, resources):
        return refusal
    for index, entry in enumerate(vmcp.spec.config.aggregation.tools):
        if entry.workload == member.metadata.name:
            found = _follow_entry(vmcp, index, entry, resources)
            return found if isinstance(found, Refusal) else None
    return None


def build_aggregation(vmcp: VirtualMCPServer, members: tuple[Member, ...], resources: Resources) -> Aggregation:
    """How the catalog is composed, with one entry for each member of which anything is said.

    Where a reference leads nowhere nothing of the member is served. An entry keeps the name of the MCPToolConfig that
    its filter comes from, for who asks why a tool is missing.
    """
    said = vmcp.spec.config.aggregation
    by_name = {member.metadata.name: member for member in members}
    entries = [
        _compose(entry, by_name.get(entry.workload), _follow_entry(vmcp, index, entry, resources), resources)
        for index, entry in enumerate(said.tools)
    ]
    listed = {entry.workload for entry in said.tools}
    denied = said.default_tool_visibility is Visibility.DENY
    for name, member in by_name.items():
        if name not in listed and member.spec.tool_config_ref:
            # Having a config of its own is no entry: under deny it adds names, and serves none of them.
            unlisted = WorkloadTools(workload=name, exclude_all=denied)
            entries.append(_compose(unlisted, member, None, resources))
    return said.model_copy(update={"tools": tuple(entries)})


def find_doubts(vmcp: VirtualMCPServer, members: tuple[Member, ...], resources: Resources) -> Problems:
    """Warnings about entries of an endpoint that cannot mean what they say."""
    return Problems(tuple(_doubts(vmcp, members, resources))).as_warnings().about(f"VirtualMCPServer/{_name(vmcp)}")


def _doubts(vmcp: VirtualMCPServer, members: tuple[Member, ...], resources: Resources) -> Iterator[Problem]:
    by_name = {member.metadata.name: member for member in members}
    for index, entry in enumerate(vmcp.spec.config.aggregation.tools):
        found = _follow_entry(vmcp, index, entry, resources)
        member = by_name.get(entry.workload)
        if isinstance(found, Refusal):
            if member is None:
                yield found.problem
            continue
        own = _follow_own(member, resources) if member else None
        if member is None or own is None or isinstance(own, Refusal):
            continue
        loc: Loc = ("spec", "config", "aggregation", "tools", index)
        for name in find_lost(layer_of_config(own), layer_of_entry(entry, found)):
            said = f"the filter names {name!r}, which {subject_of(member)} leaves out by its toolConfigRef"
            yield Problem(said, "name it there too, or remove it here", loc)


def _compose(
    entry: WorkloadTools, member: Member | None, config: MCPToolConfigSpec | Refusal | None, resources: Resources
) -> WorkloadTools:
    own = _follow_own(member, resources) if member else None
    is_broken = isinstance(config, Refusal) or isinstance(own, Refusal)
    above = layer_of_entry(entry, None if isinstance(config, Refusal) else config)
    below = layer_of_config(own) if isinstance(own, MCPToolConfigSpec) else Layer()
    both = stack(below, replace(above, is_closed=above.is_closed or is_broken))
    own_ref = member.spec.tool_config_ref if member else None
    return WorkloadTools(
        workload=entry.workload,
        tool_config_ref=own_ref or entry.tool_config_ref,
        filter=both.filter,
        overrides=dict(both.overrides),
        exclude_all=both.is_closed,
    )


def _follow_own(member: Member, resources: Resources) -> MCPToolConfigSpec | Refusal | None:
    return _follow(member.spec.tool_config_ref, resources, subject_of(member), _OWN)


def _follow_entry(
    vmcp: VirtualMCPServer, index: int, entry: WorkloadTools, resources: Resources
) -> MCPToolConfigSpec | Refusal | None:
    loc: Loc = ("spec", "config", "aggregation", "tools", index, "toolConfigRef")
    return _follow(entry.tool_config_ref, resources, f"VirtualMCPServer/{_name(vmcp)}", loc)


def _follow(ref: NameRef | None, resources: Resources, subject: str, loc: Loc) -> MCPToolConfigSpec | Refusal | None:
    if ref is None:
        return None
    found = follow(resources, MCPToolConfig, ref.name, (*loc, "name"))
    if isinstance(found, Problem):
        is_there = (MCPToolConfig.__name__, ref.name) in resources.invalid
        reason = Reason.TOOL_CONFIG_INVALID if is_there else Reason.TOOL_CONFIG_NOT_FOUND
        return Refusal(reason, replace(found, subject=subject))
    return found.spec


def _name(vmcp: VirtualMCPServer) -> str:
    return vmcp.metadata.name
