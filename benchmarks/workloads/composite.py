"""Composite tools: what a step of a workflow costs beside a plain call."""

import contextlib

from benchmarks import jobs
from benchmarks.contenders.ours import contender, plain_config
from benchmarks.contenders.site import Site
from benchmarks.figures import Metric, Result, Row, ratios, transposed
from benchmarks.rig import RefusedError, Rig
from benchmarks.turns import Seat, measure

_METRICS = (
    Metric("cpu", "CPU µs per call or step"),
    Metric("ratio", "ratio", 2),
    Metric("rate", "calls or steps/s"),
    Metric("p50", "p50 ms", 2),
    Metric("p99", "p99 ms", 2),
    Metric("rss", "RSS MiB"),
)
_STEPS = 20
_TITLE = "vmcp, composite tools"
_CASES = {"echo": "plain call", "chain": "step, one after the other", "fan": "step, ten at once"}


def run(rig: Rig) -> Result:
    """As many clients as workflows run at once call a tool plainly, then in workflows of twenty steps, by turns."""
    target = "at most 1.3 plain calls for a step"
    title = f"Composite tools, {rig.scale.workflows} at once with {_STEPS} steps each"
    return Result("composite", title, target, _METRICS, _rows(rig))


def _rows(rig: Rig) -> tuple[Row, ...]:
    proxy = contender("vmcp-composite", _TITLE, _config)
    turns: dict[str, list[dict[str, float]]] = {tool: [] for tool in _CASES}
    with contextlib.ExitStack() as stack:
        backends = stack.enter_context(rig.backends())
        try:
            entrant = stack.enter_context(rig.entered(proxy, backends.urls))
            seat = Seat(entrant, stack.enter_context(rig.load()))
            seat.load.do(jobs.Open(entrant.port, entrant.path, rig.scale.workflows, rig.scale.workflows))
            for tool in _CASES:
                seat.load.do(jobs.Calls(rig.scale.warm_seconds, tool=tool))
            for _ in range(rig.scale.turns):
                for tool in _CASES:
                    turns[tool].append(_turn(seat, rig.scale.seconds, tool))
        except RefusedError as error:
            return (Row(_CASES["echo"], _TITLE, note=str(error).splitlines()[0]),)
    values = {tool: transposed(each) for tool, each in turns.items()}
    plain = values["echo"]["cpu"]
    return tuple(
        Row(case, _TITLE, {**values[tool], "ratio": ratios(values[tool]["cpu"], plain)})
        for tool, case in _CASES.items()
    )


def _turn(seat: Seat, seconds: float, tool: str) -> dict[str, float]:
    """One measurement, for each step where the tool has some; latencies are of the whole."""
    turn = measure(seat, jobs.Calls(seconds, tool=tool))
    steps = 1 if tool == "echo" else _STEPS
    return {**turn, "cpu": turn["cpu"] / steps, "rate": turn["rate"] * steps}


def _config(site: Site) -> dict[str, object]:
    """The plain one with two workflows: each step of one needs the one before it, those of the other need none."""
    chained = ["{{.params.text}}", *(f"{{{{.steps.s{place}.output.text}}}}" for place in range(_STEPS - 1))]
    tools = [_tool("chain", chained), _tool("fan", ["{{.params.text}}"] * _STEPS)]
    return {**plain_config(site), "config": {"compositeTools": tools}}


def _tool(name: str, texts: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "description": "Says a text many times.",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        "steps": [
            {"id": f"s{place}", "tool": "b000_echo", "arguments": {"text": text}} for place, text in enumerate(texts)
        ],
    }
