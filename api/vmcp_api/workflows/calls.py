"""Steps that call what no step can call: composite tools."""

from collections.abc import Collection, Iterator
from typing import Final

from vmcp_api.manifests.problems import Loc
from vmcp_api.spec.composite import CompositeTool
from vmcp_api.workflows.fault import Fault

_CANNOT: Final = "and steps cannot call composite tools"


def _calls(tool: CompositeTool) -> Iterator[tuple[Loc, str]]:
    """The tools that the steps of a composite tool call, each with its place, in the order of the file."""
    for index, step in enumerate(tool.steps):
        if step.tool is not None:
            yield ("steps", index, "tool"), step.tool
        if step.step is not None:
            yield ("steps", index, "step", "tool"), step.step.tool


def self_calls(tool: CompositeTool) -> Iterator[Fault]:
    """Calls of its own name; see `composite_calls`."""
    for loc, _ in _named(tool, {tool.name}):
        yield loc, f"calls its own composite tool, {_CANNOT}; call tools of backends"


def composite_calls(tool: CompositeTool, others: Collection[str]) -> Iterator[Fault]:
    """Calls of other composite tools of the endpoint.

    A name with a dot is not judged: it may be `workload.tool` as well, which a composite tool of that name may offer.
    """
    for loc, name in _named(tool, others):
        yield loc, f"calls the composite tool {name!r}, {_CANNOT}; write the steps of that tool here in its place"


def _named(tool: CompositeTool, names: Collection[str]) -> Iterator[tuple[Loc, str]]:
    return ((loc, name) for loc, name in _calls(tool) if name in names and "." not in name)
