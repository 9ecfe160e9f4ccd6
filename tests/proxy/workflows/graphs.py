"""Random graphs of steps, and a direct interpretation of them."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from vmcp_proxy.workflows.schedule import Verdict

GO_ON, SKIP_REMAINING, ABORT = Verdict


@dataclass(frozen=True)
class Node:
    """A step that takes its time and means this to the others when it is over; it `needs` these to be over before."""

    needs: frozenset[int]
    time: float
    verdict: Verdict = GO_ON

    def __repr__(self):
        return f"Node({set(self.needs) or '{}'}, {self.time}, {self.verdict.name})"


@dataclass
class Run:
    """When which step began and was over; `most` is how many ran at once."""

    began: dict[int, float] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    cancelled: set[int] = field(default_factory=set)
    most: int = 0


@st.composite
def graphs(draw, verdicts=(GO_ON, GO_ON, GO_ON, SKIP_REMAINING, ABORT)):
    """Steps in any order of file, with no two ends at the same moment: the fraction says by which steps it came."""
    size = draw(st.integers(1, 12))
    order = draw(st.permutations(range(size)))
    nodes = {}
    for place, step in enumerate(order):
        needs = draw(st.frozensets(st.sampled_from(order[:place]), max_size=4)) if place else frozenset()
        verdict = draw(st.sampled_from(verdicts))
        takes_no_time = verdict is GO_ON and draw(st.booleans())
        time = 0.0 if takes_no_time else draw(st.integers(0, 5)) + 2.0 ** -(step + 1)
        nodes[step] = Node(needs, time, verdict)
    return [nodes[step] for step in range(size)]


def interpret(graph: list[Node]) -> Run:
    """What must come: a step begins when the last of its dependencies ends, unless the workflow has stopped by then."""
    ready: dict[int, float] = {}

    def end(step):
        if step not in ready:
            ready[step] = max((end(need) for need in graph[step].needs), default=0.0)
        return ready[step] + graph[step].time

    ends = {step: end(step) for step in range(len(graph))}
    stops = sorted((ends[step], step) for step, node in enumerate(graph) if node.verdict is not GO_ON)
    if not stops:
        return Run(ready, ends)
    first, stopper = stops[0]
    began = {step: at for step, at in ready.items() if at < first}
    last = first
    if graph[stopper].verdict is SKIP_REMAINING:
        aborts = [at for at, step in stops if graph[step].verdict is ABORT and step in began]
        last = aborts[0] if aborts else float("inf")
    ended = {step: ends[step] for step in began if ends[step] <= last}
    return Run(began, ended, began.keys() - ended.keys())
