"""Composite tools for tests, and examples on both sides of their rules."""

from typing import Any

from tests.api.rulecase import RuleCase


def step(name: str = "a", **fields: Any) -> dict[str, Any]:
    """A step that calls a tool, unless the fields say otherwise."""
    return {"id": name, **({} if "type" in fields else {"tool": "notes.search"}), **fields}


def composite(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A composite tool of some steps; of one call where none are given."""
    return {"name": "report", "description": "Writes a report.", "steps": list(steps) or [step()], **fields}


def _tools(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    declared = {"type": "object", "properties": {"a": {}, "items": {"type": "array"}}}
    return {"config": {"compositeTools": [composite(*steps, parameters=declared, **fields)]}}


def _step_case(field: str, words: str, rejected: dict[str, Any], accepted: dict[str, Any]) -> RuleCase:
    path = f"spec.config.compositeTools[0].steps[0].{field}"
    return RuleCase("VirtualMCPServer", path, words, _tools(step(**rejected)), _tools(step(**accepted)))


def _error_case(field: str, words: str, rejected: dict[str, Any], accepted: dict[str, Any]) -> RuleCase:
    return _step_case(f"onError.{field}", words, {"onError": rejected}, {"onError": accepted})


def _output_case(field: str, words: str, rejected: dict[str, Any], accepted: dict[str, Any]) -> RuleCase:
    path = f"spec.config.compositeTools[0].output.{field}"
    return RuleCase("VirtualMCPServer", path, words, _tools(output=rejected), _tools(output=accepted))


def _properties(**part: Any) -> dict[str, Any]:
    return {"properties": {"a": part}}


_ASK = {"type": "elicitation", "message": "Go on?"}
_EACH = {"type": "forEach", "collection": "{{ params.items }}", "step": {"tool": "notes.read"}}
_TEXT = {"type": "string", "value": "{{ params.a }}"}

COMPOSITE_CASES = (
    RuleCase(
        "VirtualMCPCompositeToolDefinition",
        "spec.steps[0].dependsOn[0]",
        "there is no step 'c'",
        composite(step("a", dependsOn=["c"]), step("b")),
        composite(step("a", dependsOn=["b"]), step("b")),
        answer="holds a step that waits for one that does not exist",
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.compositeTools[0].steps[1].dependsOn[1]",
        "the step waits for itself",
        _tools(step("a"), step("b", dependsOn=["a", "b"])),
        _tools(step("a"), step("b", dependsOn=["a"])),
    ),
    RuleCase(
        "VirtualMCPServer",
        "spec.config.compositeTools[0].steps[1].dependsOn[0]",
        "letters, digits, '_' and '-'",
        _tools(step("a"), step("b", dependsOn=["a b"])),
        _tools(step("a"), step("b", dependsOn=["a"])),
    ),
    _step_case("tool", "name the tool to call", {"type": "tool"}, {"type": "tool", "tool": "notes.search"}),
    _step_case("message", "write the question", {"type": "elicitation"}, _ASK),
    _step_case("collection", "a template of a list", {key: _EACH[key] for key in ("type", "step")}, _EACH),
    _step_case("step", "for each item", {key: _EACH[key] for key in ("type", "collection")}, _EACH),
    _step_case("tool", "belongs to type tool", {**_ASK, "tool": "a"}, _ASK),
    _step_case("message", "belongs to type elicitation", {"message": "Go on?"}, _ASK),
    _step_case(
        "schema", "belongs to type elicitation", {"schema": {"type": "object"}}, {**_ASK, "schema": {"type": "object"}}
    ),
    _step_case("collection", "belongs to type forEach", {"collection": "{{ params.items }}"}, _EACH),
    _step_case("step", "belongs to type forEach", {"step": _EACH["step"]}, _EACH),
    *(
        _error_case("retryCount", "from 1 to 10", {"action": "retry", **count}, {"action": "retry", **enough})
        for count, enough in (({}, {"retryCount": 1}), ({"maxRetries": 0}, {"maxRetries": 10}))
    ),
    _error_case("maxRetries", "keep one of the two", {"maxRetries": 1, "retryCount": 1}, {"maxRetries": 1}),
    _error_case(
        "fallback",
        "belongs to action retry",
        {"action": "abort", "fallback": "continue"},
        {"action": "retry", "retryCount": 2, "fallback": "continue"},
    ),
    _output_case(
        "properties.a.properties",
        "belongs to type object",
        _properties(type="array", properties={"b": _TEXT}),
        _properties(type="object", properties={"b": _TEXT}),
    ),
    _output_case("properties.a.value", "is required", _properties(type="string"), _properties(**_TEXT)),
    _output_case(
        "properties.a.value",
        "keep one of the two",
        _properties(type="object", value="{{ params.a }}", properties={"b": _TEXT}),
        _properties(type="object", value="{{ params.a }}"),
    ),
    _output_case(
        "required",
        "write it under properties",
        {**_properties(**_TEXT), "required": ["b"]},
        {**_properties(**_TEXT), "required": ["a"]},
    ),
)
