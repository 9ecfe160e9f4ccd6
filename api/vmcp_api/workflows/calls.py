"""Steps that call what no step can call: composite tools, and tools of backends that are not there."""

from collections.abc import Collection, Iterator
from typing import Final

from vmcp_api.manifests.problems import Loc, shorten
from vmcp_api.spec.aggregation import Aggregation, ConflictResolution
from vmcp_api.spec.composite import CompositeTool
from vmcp_api.spec.step_types import calls_of
from vmcp_api.text.suggest import closest, list_known
from vmcp_api.workflows.fault import Fault

_MOST_COMPARED: Final = 20
_CANNOT: Final = "and steps cannot call composite tools"


def _calls(tool: CompositeTool) -> Iterator[tuple[Loc, str]]:
    """The tools that the steps of a composite tool call, each with its place, in the order of the file."""
    for index, step in enumerate(tool.steps):
        for place, name in calls_of(step):
            yield ("steps", index, *place), name


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


class Backends:
    """The names of all backends that an endpoint has, by which the calls of its composite tools are judged."""

    def __init__(self, names: Collection[str], aggregation: Aggregation) -> None:
        self._names: Final = names
        self._prefixes: Final = _prefixes(names, aggregation)
        self._known: Final = (*self._prefixes, *(f"{each}." for each in names))
        self._closest: Final[dict[str, str | None]] = {}

    def lost_calls(self, tool: CompositeTool) -> Iterator[Fault]:
        """Calls as `workload.tool` of a backend that is not there.

        The names that clients see are known to whoever asks the backends alone: one that may be such a name is not
        judged, unless it is so much like that of a backend that it is hardly meant as something else.
        """
        for loc, name in _calls(tool):
            workload, dot, rest = name.partition(".")
            if not dot or name.startswith(self._known):
                continue
            close = self._closest_to(workload)
            if close is not None or self._prefixes:
                meant = f"did you mean {shorten(f'{close}.{rest}')!r}?" if close else None
                said = f"calls {shorten(name)!r}, and the group has no backend {shorten(workload)!r}"
                yield loc, f"{said}; {meant or list_known(self._names, noun='backends')}"

    def _closest_to(self, workload: str) -> str | None:
        """Looked for a bounded number of times: a comparison with each of 256 names takes milliseconds."""
        if workload not in self._closest:
            is_one_more = len(self._closest) < _MOST_COMPARED
            self._closest[workload] = closest(workload, self._names) if is_one_more else None
        return self._closest[workload]


def _prefixes(backends: Collection[str], aggregation: Aggregation) -> tuple[str, ...]:
    """What the names that clients see begin with; empty where they begin with anything."""
    if aggregation.conflict_resolution is not ConflictResolution.PREFIX:
        return ()
    form = aggregation.conflict_resolution_config.prefix_format
    return tuple(form.replace("{workload}", each) for each in backends)
