"""Why what a template reads is not there, in words that name the step to blame; pure."""

from collections.abc import Mapping
from typing import Any, Final

from vmcp_api.manifests.problems import shorten
from vmcp_api.templates import TemplateError, TemplateKeyError
from vmcp_proxy.workflows.outcome import StepStatus

MOST_REASON: Final = 2000
"""Characters of what somebody else says in the reason of a failure."""


def explained(error: TemplateError, scope: Mapping[str, object]) -> str:
    """The reason of a template's error, and what became of the parameter or the step's result that it lacks."""
    path = error.path if isinstance(error, TemplateKeyError) else ()
    said = ""
    match path:
        case ("params", _, *_):
            said = f"the caller gave no {shorten('.'.join(path[1:]))!r}, and it has no default"
        case ("steps", step, *inner):
            steps: Any = scope.get("steps")
            said = _said(step, steps[step], tuple(inner)) if step in steps else ""
    return f"{error.reason}; {said}" if said else error.reason


def shortened(text: str) -> str:
    """A text, cut to what a reason may have."""
    return text if len(text) <= MOST_REASON else f"{text[:MOST_REASON]}…"


def _said(step: str, found: Mapping[str, Any], inner: tuple[str, ...]) -> str:
    match found["status"]:
        case StepStatus.FAILED.value:
            return f"step {step!r} failed: {shortened(found['error'])}"
        case StepStatus.SKIPPED.value:
            return f"step {step!r} was skipped"
    output, content = found["output"], found["content"]
    # Without structured content the blocks stand for it.
    if output is content and isinstance(output.get("text"), str):
        return f"step {step!r} gave text and no structured content: {_json_in(step, 'text')}"
    if inner[:1] != ("output",):
        return ""
    if len(inner) > 2 and isinstance(output.get(inner[1]), str):  # noqa: PLR2004 - output, its member, and what it lacks
        return f"step {step!r} gave text in {shorten(inner[1])!r}: {_json_in(step, inner[1])}"
    return _elsewhere(step, found, inner[1]) if len(inner) == 2 else ""  # noqa: PLR2004 - output and its member


def _elsewhere(step: str, found: Mapping[str, Any], name: str) -> str:
    """Where to find what structured content lacks: some servers give an object of one `result` for every text."""
    ways = ["output.result"] if found["output"].keys() == {"result"} else []
    ways += [f"content.{name}"] if name in found["content"] else []
    root = f"steps.{step}" if "-" not in step else f'steps["{step}"]'
    return f"step {step!r} gave structured content: read {' or '.join(f'{root}.{way}' for way in ways)}" if ways else ""


def _json_in(step: str, member: str) -> str:
    root = f".steps.{step}" if "-" not in step else f'(index .steps "{step}")'
    return f"read JSON in it by fromJson {root}.output.{member}"
