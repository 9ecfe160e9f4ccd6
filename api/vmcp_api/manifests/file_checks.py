"""What a cluster waits for or lives with, and files that are served as they are have to get right."""

from collections.abc import Iterator, Mapping

from vmcp_api.kinds import MCPGroup, MCPServer, MCPServerEntry, MCPToolConfig, VirtualMCPServer
from vmcp_api.manifests.problems import Loc, Problem, Problems, Severity
from vmcp_api.manifests.resolve import Member, find_members
from vmcp_api.manifests.resources import Resources
from vmcp_api.spec.aggregation import ToolOverride
from vmcp_api.text.suggest import suggest

_GROUP: Loc = ("spec", "groupRef", "name")


def find_lost(namespaces: Mapping[str, Resources], namespace: str) -> Problems:
    """Warnings about the members of a namespace that are in no group, and about endpoints without members.

    A group that a VirtualMCPServer lacks as well is passed over: that one cannot be rendered and says so.
    """
    resources = namespaces[namespace]
    wanted = {vmcp.spec.group_ref.name for vmcp in resources.of(VirtualMCPServer).values()}
    missing = wanted - resources.of(MCPGroup).keys()
    found: list[Problem] = []
    for vmcp in resources.of(VirtualMCPServer).values():
        group = vmcp.spec.group_ref.name
        if group not in missing and not find_members(resources, group) and not _takes_others(resources, group):
            found.append(_empty(vmcp, group))
    members: list[Member] = [*resources.of(MCPServer).values(), *resources.of(MCPServerEntry).values()]
    for member in members:
        ref = member.spec.group_ref
        if ref is not None and ref.name not in resources.of(MCPGroup) and ref.name not in missing:
            found.append(_lost(member, ref.name, namespaces))
    found += [_elsewhere(group) for group in resources.of(MCPGroup).values() if group.spec.server_refs]
    return Problems(tuple(found))


def _takes_others(resources: Resources, group: str) -> bool:
    """Whether a group may have members that no files say: servers of another operator (ADR-0069)."""
    found = resources.of(MCPGroup).get(group)
    return found is not None and bool(found.spec.server_refs or found.spec.allow_gateway_bindings)


def _empty(vmcp: VirtualMCPServer, group: str) -> Problem:
    message = f"MCPGroup {group!r} has no members in the files, so that there is nothing to serve"
    remedy = f"add an MCPServer or MCPServerEntry to the namespace {vmcp.metadata.namespace!r} with the same groupRef"
    return Problem(message, remedy, _GROUP, f"VirtualMCPServer/{vmcp.metadata.name}", severity=Severity.WARNING)


def _elsewhere(group: MCPGroup) -> Problem:
    """Servers of another operator, whose objects no files have: what would be read of them is in a cluster alone."""
    names = ", ".join(ref.name for ref in group.spec.server_refs)
    message = f"servers of another operator are served in a cluster alone, here not: {names}"
    remedy = "add an MCPServerEntry with the URL of each to serve it here too"
    where = f"MCPGroup/{group.metadata.name}"
    return Problem(message, remedy, ("spec", "serverRefs"), where, severity=Severity.WARNING)


def _lost(member: Member, group: str, namespaces: Mapping[str, Resources]) -> Problem:
    own = member.metadata.namespace
    elsewhere = sorted(name for name, resources in namespaces.items() if group in resources.of(MCPGroup))
    if elsewhere:
        message = f"MCPGroup {group!r} is in the namespace {elsewhere[0]!r} and this in {own!r}"
        remedy = "put both into one namespace"
    else:
        message = f"MCPGroup {group!r} is not in the files"
        remedy = f"create it, or name another ({suggest(group, namespaces[own].of(MCPGroup), noun='MCPGroups')})"
    said = f"{message}, so that nothing serves this"
    return Problem(said, remedy, _GROUP, f"{member.kind}/{member.metadata.name}", severity=Severity.WARNING)


def find_shared_names(resource: VirtualMCPServer | MCPToolConfig) -> Problems:
    """Overrides that give two tools of one workload the same name, under which a proxy serves neither."""
    found: list[Problem] = []
    for place, overrides in _all_overrides(resource):
        for tool, other in _clashes(overrides):
            message = f"gives the tool the name of the tool {other!r}, so that neither is served"
            found.append(Problem(message, "choose another name", (*place, tool, "name")))
    return Problems(tuple(found)).about(f"{resource.kind}/{resource.metadata.name}")


def _all_overrides(resource: VirtualMCPServer | MCPToolConfig) -> Iterator[tuple[Loc, Mapping[str, ToolOverride]]]:
    if isinstance(resource, MCPToolConfig):
        yield ("spec", "toolsOverride"), resource.spec.tools_override
        return
    for index, tools in enumerate(resource.spec.config.aggregation.tools):
        yield ("spec", "config", "aggregation", "tools", index, "overrides"), tools.overrides


def _clashes(overrides: Mapping[str, ToolOverride]) -> Iterator[tuple[str, str]]:
    """Each renamed tool whose name another one has, and that other: one that keeps its name, or the first."""
    taken = {tool: tool for tool, override in overrides.items() if override.name is None or override.name == tool}
    for tool, override in overrides.items():
        if override.name is not None and (other := taken.setdefault(override.name, tool)) != tool:
            yield tool, other
