"""Tool search: what a call costs through `call_tool`, beside the same call by the tool's own name."""

import contextlib

from benchmarks import jobs
from benchmarks.contenders.ours import contender, plain_config
from benchmarks.contenders.site import Site
from benchmarks.figures import Result, Row, ratios, transposed
from benchmarks.rig import RefusedError, Rig
from benchmarks.turns import Seat, measure, seated, warm
from benchmarks.workloads.echo import CALL_METRICS

_TITLE = "vmcp, tool search"
_DIRECT = "by its own name"
_HANDED_ON = "through call_tool"


def run(rig: Rig) -> Result:
    """One proxy with tool search; a tool that stays listed is called by its name and through `call_tool`, by turns."""
    target = "at most 1.25 direct calls"
    return Result("handed-on", "Small tools/call with tool search", target, CALL_METRICS, _rows(rig))


def _rows(rig: Rig) -> tuple[Row, ...]:
    proxy = contender("vmcp-search", _TITLE, _config)
    cases = {_DIRECT: "", _HANDED_ON: "call_tool"}
    turns: dict[str, list[dict[str, float]]] = {case: [] for case in cases}
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends())
        try:
            entrant = stack.enter_context(rig.entered(proxy, backends.urls))
            seat = stack.enter_context(seated(rig, entrant))
            for through in cases.values():
                warm([seat], jobs.Calls(rig.scale.warm_seconds, through=through))
            for _ in range(rig.scale.turns):
                for case, through in cases.items():
                    turns[case].append(_turn(seat, rig.scale.seconds, through))
        except RefusedError as error:
            return (Row(_DIRECT, _TITLE, note=str(error).splitlines()[0]),)
    values = {case: transposed(each) for case, each in turns.items()}
    base = values[_DIRECT]["cpu"]
    return tuple(Row(case, _TITLE, {**each, "ratio": ratios(each["cpu"], base)}) for case, each in values.items())


def _turn(seat: Seat, seconds: float, through: str) -> dict[str, float]:
    return measure(seat, jobs.Calls(seconds, through=through))


def _config(site: Site) -> dict[str, object]:
    """The plain one with tool search, beside which the tool that is called stays listed."""
    optimizer = {"threshold": 0, "alwaysVisible": ["b000_echo"]}
    return {**plain_config(site), "config": {"optimizer": optimizer}}
