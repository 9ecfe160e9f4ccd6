"""Files of NAME=value lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.editor.env_file import parse_env_file
from vmcp_api.manifests.problems import Problems


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("\ufeffA=1\r\nB = two words \n\n # note\nexport C=3", {"A": "1", "B": "two words", "C": "3"}),
        ("A=\nB=''\nC=\"\"", {"A": "", "B": "", "C": ""}),
        ("A=a#b # note\nB=# note\nC='#' # note\nD=\"#\"#", {"A": "a#b", "B": "", "C": "#", "D": "#"}),
        (r'A="a\nb\t\"\\n\$" ' + "\nB='a\\nb'\nC=a\\nb", {"A": 'a\nb\t"\\n$', "B": "a\\nb", "C": "a\\nb"}),
        ("A=x=y&z='1'\nA=${B}", {"A": "${B}"}),
        ("A=x=y&z='1'", {"A": "x=y&z='1'"}),
    ],
)
def test_lines_become_variables(text, variables):
    assert parse_env_file(text) == variables


@pytest.mark.parametrize("line", ["canary", "1canary=x", "A='canary", 'A="canary', 'A="canary"x', "A='canary'x", "=x"])
def test_a_line_that_is_none_is_named_by_its_number_and_never_shown(line):
    problems = parse_env_file(f"# one\nB=1\n{line}\n")
    assert isinstance(problems, Problems)
    assert "is not understood in line 3; write NAME=value" in str(problems)
    assert "canary" not in str(problems) + repr(problems)


def test_a_value_that_no_program_can_be_given_is_refused_with_its_line():
    assert str(parse_env_file("A=1\nB=can\0ary")) == "holds a NUL character in line 2; remove it"


@pytest.mark.scenario("X-1")
@given(st.text(alphabet="aA=\"'\\# \n\r\t$", max_size=60))
def test_any_lines_are_read_without_a_crash(text):
    parse_env_file(text)


@given(st.text().filter(lambda text: "\0" not in text))
def test_a_value_in_quotes_is_read_as_it_was_written(value):
    written = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    assert parse_env_file(f'A="{written}"') == {"A": value}


def test_hostile_lines_take_no_longer_than_others():
    for line in ('A="' + '\\"' * 50_000, "A=" + " #" * 50_000, "A=" + " " * 50_000 + "x", "a " * 50_000):
        parse_env_file(line)
