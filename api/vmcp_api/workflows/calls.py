"""Steps that call what no step can call: composite tools, and tools of backends that are not there."""

from collections.abc import Collection, Iterator
from typing import Final

from vmcp_api.manifests.problems import Loc, shorten
from vmcp_api.spec.aggregation import Aggregation, ConflictResolution
from vmcp_api.spec.composite import CompositeTool
from vmcp_api.text.suggest import closest, suggest
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


def lost_calls(tool: CompositeTool, backends: Collection[str], aggregation: Aggregation) -> Iterator[Fault]:
    """Calls as `workload.tool` of backends that are none of these, which are all that the endpoint has.

    The names that clients see are known to whoever asks the backends alone: one that may be such a name is not judged,
    unless it is so much like one of a backend that it is hardly meant as something else.
    """
    prefixes = _prefixes(backends, aggregation)
    known = (*prefixes, *(f"{each}." for each in backends))
    for loc, name in _calls(tool):
        workload, dot, rest = name.partition(".")
        if not dot or name.startswith(known):
            continue
        close = closest(workload, backends)
        if close is not None or prefixes:
            meant = f"did you mean {shorten(f'{close}.{rest}')!r}?" if close else None
            remedy = meant or suggest(workload, backends, noun="backends")
            yield loc, f"calls {shorten(name)!r}, and the group has no backend {shorten(workload)!r}; {remedy}"


def _prefixes(backends: Collection[str], aggregation: Aggregation) -> tuple[str, ...]:
    """What the names that clients see begin with; empty where they begin with anything."""
    if aggregation.conflict_resolution is not ConflictResolution.PREFIX:
        return ()
    form = aggregation.conflict_resolution_config.prefix_format
    return tuple(form.replace("{workload}", each) for each in backends)
