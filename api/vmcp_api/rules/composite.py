"""The rules of composite tools; what CEL cannot say of a whole workflow is found in Python alone."""

from collections.abc import Iterator
from typing import Any, Final

from vmcp_api.kinds import VirtualMCPCompositeToolDefinition
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerConfig
from vmcp_api.rules.rule import Finding, Rule, require
from vmcp_api.spec.composite import (
    MAX_COMPOSITE_TOOLS,
    CompositeTool,
    ErrorAction,
    OnError,
    Output,
    OutputProperty,
    Step,
    StepType,
)
from vmcp_api.spec.step_types import STEP_KINDS
from vmcp_api.workflows import composite_calls, faults

_WAITS_FOR_ITSELF: Final = "the step waits for itself; remove it"


def _needs(type_: StepType, field: str, remedy: str) -> Rule:
    return require(
        Step,
        (field,),
        f"self.type != '{type_}' || has(self.{field})",
        f"is required for type {type_}; {remedy}",
        lambda step: step.type is not type_ or getattr(step, field) is not None,
    )


def _belongs(type_: StepType, field: str, attribute: str) -> Rule:
    return require(
        Step,
        (field,),
        f"self.type == '{type_}' || !has(self.{field})",
        f"belongs to type {type_}; remove it or set type: {type_}",
        lambda step: step.type is type_ or getattr(step, attribute) is None,
    )


def _is_counted(on_error: OnError) -> bool:
    return on_error.action is not ErrorAction.RETRY or on_error.retries > 0


def _find_self(step: Step) -> Iterator[Finding]:
    if step.id in step.depends_on:
        yield ("dependsOn", step.depends_on.index(step.id)), _WAITS_FOR_ITSELF


def _find_nothing(_: Any) -> tuple[Finding, ...]:
    """What CEL says of a whole definition is told with more by the faults of its tool."""
    return ()


def _find_faults(tool: Any) -> Iterator[Finding]:
    yield from faults(tool)


def _find_composite_calls(config: Any) -> Iterator[Finding]:
    names = {tool.name for tool in config.composite_tools}
    for index, tool in enumerate(config.composite_tools):
        for loc, said in composite_calls(tool, names - {tool.name}):
            yield ("compositeTools", index, *loc), said


COMPOSITE_RULES: Final[tuple[Rule, ...]] = (
    *(_needs(type_, field, remedy) for type_, kind in STEP_KINDS.items() for field, remedy in kind.needs.items()),
    *(_belongs(type_, *field) for type_, kind in STEP_KINDS.items() for field in kind.owns.items()),
    Rule(
        model=Step,
        cel="!has(self.dependsOn) || !(self.id in self.dependsOn)",
        message=_WAITS_FOR_ITSELF,
        find=_find_self,
        about=("dependsOn",),
    ),
    Rule(
        model=VirtualMCPCompositeToolDefinition,
        # For each of the tools that a VirtualMCPServer may hold, it would cost the API server too much.
        cel="self.spec.steps.all(step, !has(step.dependsOn) ||"
        " sets.contains(self.spec.steps.map(other, other.id), step.dependsOn))",
        message="holds a step that waits for one that does not exist; correct its dependsOn",
        find=_find_nothing,
        about=("spec", "steps"),
    ),
    require(
        OnError,
        ("retryCount",),
        "!has(self.action) || self.action != 'retry' || (has(self.retryCount) && self.retryCount > 0) ||"
        " (has(self.maxRetries) && self.maxRetries > 0)",
        "is required for action retry; write how often, from 1 to 10",
        _is_counted,
    ),
    require(
        OnError,
        ("maxRetries",),
        "!has(self.maxRetries) || !has(self.retryCount)",
        "stands beside retryCount; keep one of the two",
        lambda on_error: on_error.max_retries is None or on_error.retry_count is None,
    ),
    require(
        OnError,
        ("fallback",),
        "!has(self.fallback) || (has(self.action) && self.action == 'retry')",
        "belongs to action retry; write it as action",
        lambda on_error: on_error.fallback is None or on_error.action is ErrorAction.RETRY,
    ),
    require(
        OutputProperty,
        ("properties",),
        "self.type == 'object' || !has(self.properties) || self.properties.size() == 0",
        "belongs to type object; write value, or set type: object",
        lambda part: part.type == "object" or not part.properties,
    ),
    require(
        OutputProperty,
        ("value",),
        "has(self.value) || (has(self.properties) && self.properties.size() > 0)",
        "is required; write a template, or the properties of an object",
        lambda part: part.value is not None or bool(part.properties),
    ),
    require(
        OutputProperty,
        ("value",),
        "!has(self.value) || !has(self.properties) || self.properties.size() == 0",
        "stands beside properties; keep one of the two",
        lambda part: part.value is None or not part.properties,
    ),
    require(
        Output,
        ("required",),
        "!has(self.required) || self.required.all(name, name in self.properties)",
        "names a property that is not there; write it under properties, or leave it out",
        lambda output: all(name in output.properties for name in output.required),
    ),
    require(
        VirtualMCPServerConfig,
        ("compositeToolRefs",),
        "(has(self.compositeTools) ? self.compositeTools.size() : 0) +"
        f" (has(self.compositeToolRefs) ? self.compositeToolRefs.size() : 0) <= {MAX_COMPOSITE_TOOLS}",
        f"makes more than {MAX_COMPOSITE_TOOLS} composite tools, together with compositeTools; leave some out",
        lambda config: len(config.composite_tools) + len(config.composite_tool_refs) <= MAX_COMPOSITE_TOOLS,
    ),
    Rule(
        model=VirtualMCPServerConfig,
        cel="",
        message="holds a step that calls another composite tool; each is told at its place",
        find=_find_composite_calls,
    ),
    Rule(
        model=CompositeTool,
        cel="",
        message="has to hold together: steps that exist and do not wait in a circle, schemas and templates that can be"
        " read; each fault is told at its place",
        find=_find_faults,
    ),
)
"""The rules of composite tools."""
