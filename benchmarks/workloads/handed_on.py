"""Tool search: what a call costs through `call_tool`, beside the same call by the tool's own name."""

import contextlib

from benchmarks import jobs
from benchmarks.contenders.ours import SEARCHED
from benchmarks.figures import Result, Row, ratios, transposed
from benchmarks.rig import RefusedError, Rig
from benchmarks.turns import Seat, measure, seated, warm
from benchmarks.workloads.echo import CALL_METRICS

_DIRECT = "by its own name"
CASES = {_DIRECT: "", "through call_tool": "call_tool"}
"""The tool that hands the calls on, in each case."""


def run(rig: Rig) -> Result:
    """One proxy with tool search; a tool that stays listed is called by its name and through `call_tool`, by turns."""
    target = "at most 1.25 direct calls"
    return Result("handed-on", "Small tools/call with tool search", target, CALL_METRICS, _rows(rig))


def _rows(rig: Rig) -> tuple[Row, ...]:
    turns: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends())
        try:
            entrant = stack.enter_context(rig.entered(SEARCHED, backends.urls))
            seat = stack.enter_context(seated(rig, entrant))
            for through in CASES.values():
                warm([seat], jobs.Calls(rig.scale.warm_seconds, through=through))
            for _ in range(rig.scale.turns):
                for case, through in CASES.items():
                    turns[case].append(_turn(seat, rig.scale.seconds, through))
        except RefusedError as error:
            return (Row(_DIRECT, SEARCHED.title, note=str(error).splitlines()[0]),)
    values = {case: transposed(each) for case, each in turns.items()}
    base = values[_DIRECT]["cpu"]
    return tuple(
        Row(case, SEARCHED.title, {**each, "ratio": ratios(each["cpu"], base)}) for case, each in values.items()
    )


def _turn(seat: Seat, seconds: float, through: str) -> dict[str, float]:
    return measure(seat, jobs.Calls(seconds, through=through))
