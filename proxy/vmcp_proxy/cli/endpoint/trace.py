"""How a composite tool went, as a tree: each step below the one that it waited for last (ADR-0051)."""

from collections.abc import Iterator, Mapping
from typing import Final

from vmcp_api.base import Json
from vmcp_api.text.durations import format_duration
from vmcp_proxy.cli.output import clean

KEY: Final = "vmcp.dev/trace"
"""Key of `_meta` by which a trace is asked for and given."""

NO_TRACE: Final = "no trace came: it is no composite tool, or its endpoint is another server or an older one"

Step = Mapping[str, Json]


def describe_trace(result: Mapping[str, Json]) -> str:
    """The trace in a result; a word where there is none."""
    meta = result.get("_meta")
    trace = meta.get(KEY) if isinstance(meta, dict) else None
    steps = trace.get("steps") if isinstance(trace, dict) else None
    if not isinstance(trace, dict) or not isinstance(steps, list):
        return NO_TRACE
    known = {str(each.get("id")): each for each in steps if isinstance(each, dict)}
    below: dict[str, list[str]] = {}
    for name, step in known.items():
        below.setdefault(_waited_for(step, known), []).append(name)
    head = f"{clean(str(trace.get('workflow')))}  {_duration(trace)}"
    return "\n".join([head, *_branches("", below, known, "", frozenset())])


def _waited_for(step: Step, known: Mapping[str, Step]) -> str:
    """Of the steps that it depends on the one that was over last; empty where there is none."""
    needs = step.get("dependsOn")
    waited = [str(need) for need in needs if str(need) in known] if isinstance(needs, list) else []
    return max(waited, key=lambda need: _end(known[need]), default="")


def _end(step: Step) -> float:
    return _number(step, "start") + _number(step, "milliseconds")


def _branches(
    parent: str, below: Mapping[str, list[str]], known: Mapping[str, Step], indent: str, above: frozenset[str]
) -> Iterator[str]:
    names = [name for name in below.get(parent, ()) if name not in above]
    for name in names:
        is_last = name == names[-1]
        yield f"{indent}{'└─' if is_last else '├─'} {_describe(name, known[name])}"
        yield from _branches(name, below, known, indent + ("   " if is_last else "│  "), above | {name})


def _describe(name: str, step: Step) -> str:
    status = str(step.get("status"))
    said = [clean(name), clean(status)]
    if status != "skipped":
        said.append(_duration(step))
    if _number(step, "attempts") > 1 and step.get("type") != "forEach":
        said.append(f"{_number(step, 'attempts'):g} attempts")
    items = step.get("iterations")
    if isinstance(items, dict):
        failed = f", {_number(items, 'failed'):g} failed" if _number(items, "failed") else ""
        said.append(f"{_number(items, 'count'):g} items{failed}")
    error = step.get("error")
    return "  ".join(said) + (f": {clean(str(error))}" if error else "")


def _duration(part: Step) -> str:
    return format_duration(round(_number(part, "milliseconds") / 1000, 3))


def _number(part: Step, name: str) -> float:
    value = part.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
