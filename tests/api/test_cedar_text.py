import subprocess
import sys

import pytest

from vmcp_api.text.cedar_flaw import CedarFlaw
from vmcp_api.text.cedar_text import MOST_BRACKETS, MOST_BRANCHES, find_entities_flaw, find_policy_flaw

PERMIT = "permit(principal, action, resource);"
ENTITY = '{"uid": {"type": "A", "id": "b"}, "attrs": {"level": %d}, "parents": []}'


def when(condition: str) -> str:
    return f"permit(principal, action, resource) when {{ {condition} }};"


def said(flaw: CedarFlaw | None) -> str:
    assert flaw is not None
    assert flaw.remedy
    return str(flaw)


@pytest.mark.parametrize(
    "text",
    [
        PERMIT,
        f'// why; so\n{PERMIT}\n\n@id("a;b")\nforbid(principal, action, resource) when {{ context.x == "}};(" }};\n',
        when("(" * 62 + "true" + ")" * 62),
        when("if true then " * MOST_BRANCHES + "true" + " else true" * MOST_BRANCHES),
        when("context.iffy"),
        when("resource in [" + ", ".join(f'Tool::"t{number}"' for number in range(1000)) + "]"),
        when('resource.name like "' + "x" * 1000 + '*"'),
        when("context.a == {" + ", ".join(f'"k{number}": {number}' for number in range(200)) + "}"),
    ],
)
def test_policies_that_can_be_read_have_no_flaw(text):
    assert find_policy_flaw(text) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("permit(principal, action, resource)", 1),
        (f"{PERMIT}\n\n// a comment; with a semicolon\npermit(principal,\n  action == , resource);\n{PERMIT}", 4),
        (f"{PERMIT}\n;", 2),
        (f"{PERMIT} {PERMIT}\n" * 40 + '@id("last")\nallow(principal);', 41),
        ('permit(principal == Client::"alice, action, resource);', 1),
        (f"{PERMIT}\n" + when("nonsense(1)"), 2),
        (f"{PERMIT}\n\0", 2),
    ],
)
def test_a_policy_that_cannot_be_read_is_named_by_the_line_on_which_it_begins(text, line):
    assert said(find_policy_flaw(text)).startswith(f"line {line}: is no Cedar: ")


@pytest.mark.parametrize("text", ["", " \n", "// permit(principal, action, resource);\n"])
def test_a_text_without_a_policy_is_refused_as_it_would_permit_everything(text):
    assert said(find_policy_flaw(text)) == "holds no policy"


def test_a_template_is_refused_as_nothing_links_it():
    assert said(find_policy_flaw(f"{PERMIT}\npermit(principal == ?principal, action, resource);")) == (
        "line 2: is a template, which nothing links"
    )


@pytest.mark.parametrize("count", [MOST_BRACKETS, 1000, 100_000])
@pytest.mark.parametrize("brackets", ["()", "[]", "{}", "(]"])
def test_brackets_that_would_end_the_process_do_not_reach_the_parser(brackets, count):
    opened, closed = brackets
    text = when(opened * count + "true" + closed * count)
    assert "nested too deeply" in said(find_policy_flaw(f"{PERMIT}\n{text}"))
    assert "nested too deeply" in said(find_policy_flaw(opened * (count + 1)))


def test_branches_that_would_end_the_process_do_not_reach_the_parser():
    text = when("if true then " * 10_000 + "true" + " else true" * 10_000)
    assert "nested too deeply" in said(find_policy_flaw(text))


def test_the_parser_still_ends_at_what_is_kept_from_it():
    """Once it does not, the bounds may go."""
    text = when("(" * 100_000 + "true" + ")" * 100_000)
    program = "import sys, cedarpy; cedarpy.PolicySet.from_str(sys.stdin.read())"
    ended = subprocess.run([sys.executable, "-c", program], input=text, text=True, capture_output=True, check=False)
    assert ended.returncode < 0


@pytest.mark.parametrize(
    "text", ["[]", '[{"uid": {"type": "Group", "id": "a"}, "attrs": {"level": 3}, "parents": []}]']
)
def test_entities_that_can_be_read_have_no_flaw(text):
    assert find_entities_flaw(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: is no JSON"),
        ("[\n{]", "line 2: is no JSON"),
        ("{}", "is no list"),
        ('[{"uid": 1}]', "entry [0] is no Cedar entity"),
        (f'[{ENTITY % 1}, {{"uid": 1}}]', "entry [1] is no Cedar entity"),
        (f"[{ENTITY % 1}, {ENTITY % 2}]", "holds no Cedar entities: "),
        ("[" * 100_000, "is no JSON"),
        (
            '[{"uid": {"type": "A", "id": "b"}, "attrs": {}, "parents": [{"type": "A", "id": "b"}]}]',
            'is its own ancestor: A::"b"',
        ),
    ],
)
def test_entities_that_cannot_be_read_are_told(text, words):
    assert words in said(find_entities_flaw(text))


@pytest.mark.parametrize("count", [120, 2000, 100_000])
def test_a_chain_that_nothing_could_look_through_is_refused_with_another_way_to_write_it(count):
    flaw = find_policy_flaw(when(" || ".join(["context.a"] * count)))
    assert "nested too deeply" in str(flaw)
    assert "several policies" in flaw.remedy
