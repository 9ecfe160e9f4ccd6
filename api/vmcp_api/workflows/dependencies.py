"""Which steps of a workflow wait for which."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from vmcp_api.spec.composite import CompositeTool
from vmcp_api.workflows.readings import waits


def dependencies(tool: CompositeTool) -> dict[str, frozenset[str]]:
    """By the id of each step, in the order of the file, the ids of the steps that must be over before it begins.

    A step waits for those that it names in `dependsOn`, and for those that its templates read. A template that reads
    `steps` as a whole waits for none by that. Names of steps that do not exist, and of the step itself, are left out:
    `faults` tells them.
    """
    named = waits(tool)
    return {step: frozenset(named.keys() & names.keys() - {step}) for step, names in named.items()}


def find_cycles(graph: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, ...]]:
    """Steps that wait for each other: each waits for the one after it, the last for the first.

    One that shares its last wait with a cycle before it may be left out: it is gone once that one is mended.
    """
    left = {step: set(waits) for step, waits in graph.items()}
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            # In the order of the work: each node comes before the next one, and the first is the last again.
            cycle = tuple(reversed(error.args[1][1:]))
            yield cycle
            left[cycle[-1]].discard(cycle[0])
        else:
            return
