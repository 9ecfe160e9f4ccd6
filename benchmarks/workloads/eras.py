"""The same small call in both eras of MCP: in sessions, and without any (2026-07-28)."""

import contextlib

from benchmarks import jobs
from benchmarks.contenders.ours import contender, plain_config
from benchmarks.figures import Result, Row, ratios, transposed
from benchmarks.rig import RefusedError, Rig
from benchmarks.turns import measure, seated, warm
from benchmarks.workloads.echo import CALL_METRICS

_TITLE = "vmcp, anonymous, metrics"
_CASES = {"in sessions (2025-11-25)": False, "without sessions (2026-07-28)": True}


def run(rig: Rig) -> Result:
    """One proxy; its clients of the one era and of the other take turns in front of the same legacy backend."""
    target = "a call without a session costs no more than one in a session"
    return Result("eras", "Small tools/call in both eras", target, CALL_METRICS, _rows(rig))


def _rows(rig: Rig) -> tuple[Row, ...]:
    proxy = contender("vmcp-eras", _TITLE, plain_config)
    turns: dict[str, list[dict[str, float]]] = {case: [] for case in _CASES}
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends())
        try:
            entrant = stack.enter_context(rig.entered(proxy, backends.urls))
            seats = {
                case: stack.enter_context(seated(rig, entrant, is_modern=is_modern))
                for case, is_modern in _CASES.items()
            }
            warm(list(seats.values()), jobs.Calls(rig.scale.warm_seconds))
            for _ in range(rig.scale.turns):
                for case, seat in seats.items():
                    turns[case].append(measure(seat, jobs.Calls(rig.scale.seconds)))
        except RefusedError as error:
            return (Row("eras", _TITLE, note=str(error).splitlines()[0]),)
    values = {case: transposed(each) for case, each in turns.items()}
    base = next(iter(values.values()))["cpu"]
    return tuple(Row(case, _TITLE, {**each, "ratio": ratios(each["cpu"], base)}) for case, each in values.items())
