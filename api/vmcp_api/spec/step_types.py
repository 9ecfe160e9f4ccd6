"""What each type of step has of its own: one entry each, from which rules, calls and templates follow."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from vmcp_api.spec.composite import InnerStep, Step, StepType

Call: TypeAlias = tuple[tuple[str, ...], str]
"""Where in a step the name of a tool stands, and the name."""


def _none(_: Step) -> None:
    """Nothing is done for each item of something."""


@dataclass(frozen=True, slots=True)
class StepKind:
    """One type of step; fields are named as in documents.

    `needs` are the fields that have to be there, each with what to do. `owns` are those that no other type may have,
    with their attributes of `Step`. `templates` are those that are one template each. `call` and `inner` are what it
    calls, once or for each item. `has_result` says that there is a result whatever fails, unless the step is skipped.
    """

    needs: Mapping[str, str]
    owns: Mapping[str, str]
    templates: tuple[str, ...] = ()
    call: Callable[[Step], str | None] = _none
    inner: Callable[[Step], InnerStep | None] = _none
    has_result: bool = False


STEP_KINDS: Final[Mapping[StepType, StepKind]] = MappingProxyType(
    {
        StepType.TOOL: StepKind(
            needs={"tool": "name the tool to call, or set type: elicitation for a question"},
            owns={"tool": "tool"},
            call=lambda step: step.tool,
        ),
        StepType.ELICITATION: StepKind(
            needs={"message": "write the question"},
            owns={"message": "message", "schema": "response_schema"},
            templates=("message",),
        ),
        StepType.FOR_EACH: StepKind(
            needs={
                "collection": "write a template of a list",
                "step": "write the call that is made for each item",
            },
            owns={"collection": "collection", "step": "step"},
            templates=("collection",),
            inner=lambda step: step.step,
            has_result=True,
        ),
    }
)
"""Whoever adds a type adds it here, and what it does in the engine (docs/contributing/composite-steps.md)."""


def calls_of(step: Step) -> Iterator[Call]:
    """The tools that a step calls; of one that has fields of several types, which a rule refuses, those of all."""
    for kind in STEP_KINDS.values():
        if (name := kind.call(step)) is not None:
            yield ("tool",), name
        if (inner := kind.inner(step)) is not None:
            yield ("step", "tool"), inner.tool


def templates_of(step: Step) -> Iterator[tuple[str, str]]:
    """The fields that are a template each, with their texts; that of the condition is first."""
    fields = ("condition", *(field for kind in STEP_KINDS.values() for field in kind.templates))
    texts = ((field, getattr(step, field)) for field in fields)
    return ((field, text) for field, text in texts if text is not None)
