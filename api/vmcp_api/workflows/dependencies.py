"""Which steps of a workflow wait for which."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from vmcp_api.base import Json
from vmcp_api.spec.composite import CompositeTool, Step
from vmcp_api.templates import TemplateError, compile_tree


def dependencies(tool: CompositeTool) -> dict[str, frozenset[str]]:
    """By the id of each step, in the order of the file, the ids of the steps that must be over before it begins.

    Those are what `dependsOn` names and what its templates read. A template that reads `steps` as a whole waits for
    none. Names of steps that do not exist, and of the step itself, are left out: `faults` tells them.
    """
    known = {step.id for step in tool.steps}
    return {step.id: frozenset(known & {*step.depends_on, *steps_read(step)} - {step.id}) for step in tool.steps}


def steps_read(step: Step) -> frozenset[str]:
    """The steps, existing or not, that the templates of a step read; none by templates that cannot be read."""
    inner = step.step.arguments if step.step is not None else {}
    said = (step.condition, step.message, step.collection, step.arguments, inner)
    paths = {path for each in said if each is not None for path in _reads(each)}
    return frozenset(path[1] for path in paths if path[0] == "steps" and len(path) > 1)


def _reads(value: Json) -> frozenset[tuple[str, ...]]:
    try:
        return compile_tree(value).reads
    except TemplateError:
        return frozenset()


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
