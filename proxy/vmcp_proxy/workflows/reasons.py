"""Why what a template reads is not there, in words that name the step to blame; pure."""

from collections.abc import Mapping
from typing import Any, Final

from vmcp_api.templates import TemplateError, TemplateKeyError
from vmcp_proxy.workflows.outcome import StepStatus

MOST_REASON: Final = 2000
"""Characters of what somebody else says in the reason of a failure."""


def explained(error: TemplateError, scope: Mapping[str, object]) -> str:
    """The reason of a template's error, and what became of the step whose result it lacks."""
    path = error.path if isinstance(error, TemplateKeyError) else ()
    steps: Any = scope.get("steps")
    if path[:1] != ("steps",) or len(path) < 2:  # noqa: PLR2004 - the root and the id
        return error.reason
    found = steps.get(path[1])
    said = "" if found is None else _said(path[1], found)
    return f"{error.reason}; {said}" if said else error.reason


def shortened(text: str) -> str:
    """A text, cut to what a reason may have."""
    return text if len(text) <= MOST_REASON else f"{text[:MOST_REASON]}…"


def _said(step: str, found: Mapping[str, Any]) -> str:
    match found["status"]:
        case StepStatus.FAILED.value:
            return f"step {step!r} failed: {shortened(found['error'])}"
        case StepStatus.SKIPPED.value:
            return f"step {step!r} was skipped"
    # Without structured content the blocks stand for it.
    if found["output"] is found["content"] and isinstance(found["output"].get("text"), str):
        return (
            f"step {step!r} gave text and no structured content: read JSON in it by fromJson .steps.{step}.output.text"
        )
    return ""
