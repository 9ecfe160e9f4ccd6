"""JSON as editors write it: what is passed over, and where everything stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.text.json_text import JsonText, read_json

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=9)
    | st.sampled_from(["//", "/*", "*/", ",]", '"', "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
FILLERS = st.sampled_from(["", "", " ", "\n", '// it\'s "one", ]\n', "/* a\n, } */", "/**/", "//\n"])


def ok(result: JsonText | Problems) -> JsonText:
    assert isinstance(result, JsonText), str(result)
    return result


def write_as_editors_do(value: Any, filler: st.DataObject) -> str:
    """The value with comments wherever blanks may stand, and commas before closing brackets."""

    def gap() -> str:
        return filler.draw(FILLERS)

    def comma(parts: list[str]) -> str:
        return filler.draw(st.sampled_from(["", ","])) + gap() if parts else ""

    if isinstance(value, list):
        parts = [gap() + write_as_editors_do(each, filler) + gap() for each in value]
        return f"[{gap()}{','.join(parts)}{comma(parts)}]"
    if isinstance(value, dict):
        parts = [
            f"{gap()}{json.dumps(key)}{gap()}:{gap()}{write_as_editors_do(each, filler)}{gap()}"
            for key, each in value.items()
        ]
        return f"{{{gap()}{','.join(parts)}{comma(parts)}}}"
    return json.dumps(value)


@given(JSON)
def test_plain_json_is_read_as_it_is(value):
    for text in (json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False)):
        assert ok(read_json(text)).data == value


@given(JSON, st.data())
def test_comments_and_trailing_commas_change_nothing(value, data):
    assert ok(read_json("\ufeff" + write_as_editors_do(value, data) + "\n// end")).data == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", 1),
        ('{"a": 1,\n "b" 2}', 2),
        ('{"a": [1\n\n,,]}', 3),
        ("[,]", 1),
        ('{"a":,}', 1),
        ("/* a\nb */ [1 2]", 2),
        ('{"a": "http://h,]"\n x}', 2),
        ('{\n"a": "// no end', 2),
    ],
)
def test_what_is_no_json_is_placed_at_its_line(text, line):
    (problem,) = read_json(text)
    assert isinstance(problem, Problem)
    assert problem.message.startswith("is no JSON: ")
    assert problem.line == line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000 + "]" * 100_000, "is nested too deeply"),
        ("[" * 100_000, "is nested too deeply"),
        ("9" * 5000, "a number that is too long"),
        ('"' + '\\"' * 100_000, "is no JSON"),
        ("/*" * 100_000, "is no JSON"),
    ],
    ids=range(5),
)
def test_hostile_json_is_a_problem(text, said):
    problems = read_json(text)
    assert isinstance(problems, Problems)
    assert said in str(problems)


def test_every_repeated_key_is_named_with_its_line_and_the_last_one_counts():
    text = '{\n"a": {"x": 1,\n "y": [{"k": 1}, {"k": 1,\n "\\u006b": 2}],\n "x": 3},\n"b": {"x": 1},\n"a": 1}'
    read = ok(read_json(text))
    assert read.data == {"a": 1, "b": {"x": 1}}
    assert str(read.repeated).splitlines() == [
        f"warning: {path}: stands here twice; remove one of the two; the last one counts"
        for path in ("a.y[1].k", "a.x", "a")
    ]
    assert [problem.line for problem in read.repeated] == [4, 5, 7]
    assert [read.lines["a",], read.lines["a", "x"]] == [7, 5]


def test_a_problem_gets_the_line_of_the_nearest_key_that_was_written():
    found = ok(read_json('{ // one\n"a": {\n/* two\n */ "b": [\n1, {"c": "}"}]},\n"d": 0}'))
    problems = Problems.of(
        *(Problem("x", loc=loc) for loc in [("a", "b", 1, "c"), ("a", "b", 0), ("a", "z"), ("d",), (), ("nope",)])
    )
    assert [problem.line for problem in found.place(problems)] == [5, 4, 2, 6, None, None]
