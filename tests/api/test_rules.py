"""Rules between fields: the validator finds each at its place, and says what to do."""

import re

import pytest

from tests.api.manifests import problems_of
from tests.api.rulecase import RuleCase
from tests.api.rulecases import RULE_CASES
from vmcp_api.generate.crds import build_crd
from vmcp_api.generate.schema import build_schema
from vmcp_api.kinds import KINDS
from vmcp_api.rules import RULES
from vmcp_api.text.forms import FORMS, say_form


def case_id(case: RuleCase) -> str:
    return f"{case.kind}-{case.path}-{case.words.replace(' ', '_')}"


@pytest.mark.scenario("K-4")
@pytest.mark.parametrize("case", RULE_CASES, ids=case_id)
def test_a_broken_rule_is_reported_at_its_place_with_a_remedy(case):
    problems = problems_of(case.kind, case.rejected_name, **case.rejected)
    assert [problem.path for problem in problems] == [case.path]
    assert case.words in f"{problems.items[0].message}; {problems.items[0].remedy}"
    assert problems.items[0].remedy


@pytest.mark.scenario("K-4")
@pytest.mark.parametrize("case", RULE_CASES, ids=case_id)
def test_the_example_on_the_other_side_of_a_rule_is_accepted(case):
    assert str(problems_of(case.kind, case.accepted_name, **case.accepted)) == ""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.message)
def test_every_rule_says_what_is_wrong_and_what_to_do(rule):
    message, separator, remedy = rule.message.partition("; ")
    assert message
    assert separator
    assert remedy


@pytest.mark.parametrize(
    ("kind", "spec", "path"),
    [
        ("VirtualMCPServer", {"passthroughHeaders": ["X-A", "X-A"]}, "spec.passthroughHeaders[1]"),
        ("VirtualMCPServer", {"allowedHosts": ["a", "b", "a"]}, "spec.allowedHosts[2]"),
        (
            "VirtualMCPServer",
            {"config": {"aggregation": {"tools": [{"workload": "a"}, {"workload": "a"}]}}},
            "spec.config.aggregation.tools[1]",
        ),
        ("MCPServer", {"env": [{"name": "A"}, {"name": "A", "value": "b"}]}, "spec.env[1]"),
    ],
)
def test_a_repeated_entry_is_refused_as_the_api_server_would(kind, spec, path):
    problems = problems_of(kind, **spec)
    assert [problem.path for problem in problems] == [path]


def _patterns(schema, path=""):
    """The patterns of a schema by their places."""
    found = {path: schema["pattern"]} if "pattern" in schema else {}
    for name, part in schema.get("properties", {}).items():
        found |= _patterns(part, f"{path}.{name}")
    for word, step in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(schema.get(word), dict):
            found |= _patterns(schema[word], path + step)
    return found


TOO_MANY = {
    ".spec.config.aggregation.tools[].overrides.*.name",
    ".spec.config.compositeTools[].steps[].dependsOn[]",
}
"""Places where a rule would cost the API server more than it allows."""


@pytest.mark.scenario("K-4")
def test_no_field_is_refused_with_a_regular_expression_alone():
    for kind, model in KINDS.items():
        crd = build_crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        found = _patterns(crd)
        assert found.keys() == (TOO_MANY if kind == "VirtualMCPServer" else set()), kind
        meant = _patterns(build_schema(model))
        for place, pattern in found.items():
            form = meant[place]
            assert pattern.endswith(FORMS[form])
            for text in ("a", "A.b-c_1", "a b", "ä", "", FORMS[form], f" {FORMS[form]}", f"a\n {FORMS[form]}"):
                assert bool(re.search(pattern, text)) is bool(re.search(form, text)), text


@pytest.mark.scenario("K-4")
def test_every_form_of_a_field_has_an_example_on_both_sides():
    said = "\n".join(case.words for case in RULE_CASES)
    for model in KINDS.values():
        for pattern in _patterns(build_schema(model)["properties"]["spec"]).values():
            assert pattern in FORMS
            assert say_form(pattern).partition(",")[0].partition(" (")[0] in said, pattern
