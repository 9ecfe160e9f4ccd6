"""The composite tools of an endpoint, with its references followed."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vmcp_api.kinds import MCPServer, MCPServerEntry, VirtualMCPCompositeToolDefinition, VirtualMCPServer
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.manifests.resolve import find_members, follow
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.member import Refusal
from vmcp_api.render.reasons import Reason
from vmcp_api.spec.composite import CompositeTool
from vmcp_api.workflows import Backends, Fault, composite_calls, doubts

_CONFIG: Final[Loc] = ("spec", "config")


@dataclass(frozen=True, slots=True)
class Composites:
    """The tools that are served, those of the endpoint itself before those by reference, and why others are not."""

    tools: tuple[CompositeTool, ...]
    refused: tuple[Refusal, ...]

    doubts: Problems

    @property
    def warnings(self) -> Problems:
        """What is wrong with the references, none of which stops the rest, and what may fail of the tools."""
        return Problems(tuple(each.problem for each in self.refused)).as_warnings() + self.doubts


def build_composites(vmcp: VirtualMCPServer, resources: Resources) -> Composites:
    """The composite tools of an endpoint.

    One whose definition is missing or not valid, whose name an earlier one has, or whose steps call another one, is
    left out, and the rest is served.
    """
    own = enumerate(vmcp.spec.config.composite_tools)
    tools = {tool.name: _Placed(tool, (*_CONFIG, "compositeTools", index), _subject(vmcp)) for index, tool in own}
    refused: list[Refusal] = []
    for found in _follow_all(vmcp, resources, taken=tools):
        if isinstance(found, Refusal):
            refused.append(found)
        else:
            tools[found.spec.name] = _Placed(found.spec, ("spec",), f"{found.kind}/{found.metadata.name}")
    nested = {name: tuple(each.nested(tools)) for name, each in tools.items()}
    refused += [refusal for each in nested.values() for refusal in each]
    served = [each for name, each in tools.items() if not nested[name]]
    backends = _backends(vmcp, resources)
    found_doubts = Problems.join(
        problems
        for each in served
        for problems in (
            doubt_tool(each.tool, each.loc, each.subject),
            _place(backends.lost_calls(each.tool) if backends else (), each.loc, each.subject),
        )
    )
    return Composites(tuple(each.tool for each in served), tuple(refused), found_doubts)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A tool and where it is written."""

    tool: CompositeTool
    loc: Loc
    subject: str

    def nested(self, names: Collection[str]) -> Iterator[Refusal]:
        """Why it cannot be served beside tools of these names: its steps call one of them."""
        for place, text in composite_calls(self.tool, names):
            said, _, remedy = text.partition("; ")
            yield Refusal(Reason.COMPOSITE_TOOL_INVALID, Problem(said, remedy, (*self.loc, *place), self.subject))


def doubt_tool(tool: CompositeTool, loc: Loc, subject: str) -> Problems:
    """Warnings about what may fail of a tool that stands at a place of a resource."""
    return _place(doubts(tool), loc, subject)


def _backends(vmcp: VirtualMCPServer, resources: Resources) -> Backends | None:
    """None where the group has no members, which is told elsewhere; of one that is not valid the name is known."""
    members = {each.metadata.name for each in find_members(resources, vmcp.spec.group_ref.name)}
    kinds = (MCPServer.__name__, MCPServerEntry.__name__)
    unread = {name for kind, name in resources.invalid if kind in kinds}
    return Backends(members | unread, vmcp.spec.config.aggregation) if members else None


def _place(faults: Iterable[Fault], loc: Loc, subject: str) -> Problems:
    split = ((place, text.partition("; ")) for place, text in faults)
    found = (Problem(said, remedy, (*loc, *place)) for place, (said, _, remedy) in split)
    return Problems(tuple(found)).as_warnings().about(subject)


def _subject(vmcp: VirtualMCPServer) -> str:
    return f"VirtualMCPServer/{vmcp.metadata.name}"


def _follow_all(
    vmcp: VirtualMCPServer, resources: Resources, *, taken: Collection[str]
) -> Iterator[VirtualMCPCompositeToolDefinition | Refusal]:
    subject = _subject(vmcp)
    for index, ref in enumerate(vmcp.spec.config.composite_tool_refs):
        loc: Loc = (*_CONFIG, "compositeToolRefs", index, "name")
        found = follow(resources, VirtualMCPCompositeToolDefinition, ref.name, loc)
        if isinstance(found, Problem):
            is_there = (VirtualMCPCompositeToolDefinition.__name__, ref.name) in resources.invalid
            reason = Reason.COMPOSITE_TOOL_INVALID if is_there else Reason.COMPOSITE_TOOL_NOT_FOUND
            yield Refusal(reason, found.about(subject))
        elif found.spec.name in taken:
            said = (
                f"another composite tool of this endpoint has the name {found.spec.name!r}, so that this is not served"
            )
            problem = Problem(said, f"change spec.name of {found.kind} {ref.name!r}, or leave one out", loc, subject)
            yield Refusal(Reason.NAME_CLASH, problem)
        else:
            yield found
