"""Header names and values: what may go to a backend."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.headers import (
    RESTRICTED,
    RESTRICTED_PASSTHROUGH,
    canonical_name,
    check_passthrough_name,
    check_passthrough_names,
    check_static_header,
    find_collisions,
    find_value_flaw,
    is_restricted,
    is_token,
    is_valid_value,
    trim_secret,
)

TOKEN_TEXT = st.text("abcXYZ019!#$%&'*+.^_`|~-", min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("x-api-key", "X-Api-Key"),
        ("X-API-KEY", "X-Api-Key"),
        ("etag", "Etag"),
        ("x--a", "X--A"),
        ("-", "-"),
        ("x_api", "X_api"),
        ("no token", "no token"),
    ],
)
def test_names_are_shown_in_canonical_form(written, shown):
    assert canonical_name(written) == shown


@given(TOKEN_TEXT)
def test_a_canonical_name_is_the_same_header_and_stays_as_it_is(name):
    once = canonical_name(name)
    assert once.lower() == name.lower()
    assert canonical_name(once) == once == canonical_name(name.upper())


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("name", sorted(RESTRICTED | {"mcp-session-id", "mcp-protocol-version", "mcp-anything"}))
def test_a_restricted_name_is_refused_everywhere_in_any_case(name):
    for written in (name, name.upper(), name.title()):
        assert is_restricted(written)
        assert "remove it" in (check_passthrough_name(written) or "")
        assert "remove it" in (check_static_header(written, "value") or "")


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_what_a_client_says_of_the_endpoint_and_of_its_own_page_is_never_forwarded(name):
    assert is_restricted(name)
    assert check_passthrough_name(name)
    assert check_static_header(name, "value")


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("name", ["authorization", "Cookie"])
def test_client_credentials_may_be_static_but_never_passed_through(name):
    assert check_passthrough_name(name)
    assert check_static_header(name, "value") is None
    assert is_restricted(name, passthrough=True)
    assert not is_restricted(name)


def test_the_passthrough_list_differs_from_the_static_one_by_the_two_credentials():
    assert {"authorization", "cookie"} == RESTRICTED_PASSTHROUGH - RESTRICTED


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize(
    "name", ["Accept", "Accept-Encoding", "Content-Encoding", "Content-Type", "Expect", "Last-Event-ID"]
)
def test_headers_that_the_transport_itself_sets_are_restricted(name):
    assert is_restricted(name)
    assert check_passthrough_name(name)


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("name", ["", " ", "X A", "X-A:", "X-Ä", "X\r\nHost", "X\0", "X-A\n", "(x)", "a/b"])
def test_a_name_that_is_no_token_is_refused(name):
    assert not is_token(name)
    assert check_passthrough_name(name)
    assert check_static_header(name, "value")


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\x1b", "\x7f"])
def test_a_control_character_in_a_value_is_refused_without_showing_the_value(bad):
    value = f"canary{bad}Host: evil"
    problem = check_static_header("X-Api-Key", value)
    assert not is_valid_value(value)
    assert problem
    assert "X-Api-Key" in problem
    assert "canary" not in problem


@pytest.mark.parametrize("value", ["a", "a b", "a\tb", "Bearer x.y_z~/=="])
def test_an_ordinary_value_is_accepted(value):
    assert check_static_header("X-Api-Key", value) is None
    assert find_value_flaw(value.encode()) is None


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("value", ["", " ", "\t "])
def test_a_static_header_without_a_value_is_refused(value):
    assert "X-Api-Key is empty; write a value" in (check_static_header("X-Api-Key", value) or "")


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("value", ["canary-ä", "canary-\ud800", "canary-\u4e2d"])
def test_a_value_outside_ascii_is_refused_without_showing_it(value):
    problem = check_static_header("X-Api-Key", value) or ""
    assert "outside ASCII; encode it" in problem
    assert "canary" not in problem


@given(st.binary(max_size=12))
def test_a_value_has_a_flaw_unless_it_is_visible_ascii(value):
    visible = re.fullmatch(rb"[\t\x20-\x7e]*[\x21-\x7e][\t\x20-\x7e]*", value) is not None
    assert (find_value_flaw(value) is None) == visible


@pytest.mark.parametrize("content", [b"a", b"a\n", b"a\r\n", b"a\n\n"])
def test_the_line_break_at_the_end_of_a_secret_is_no_part_of_its_value(content):
    assert trim_secret(content) == b"a"
    assert trim_secret(b" a " + content) == b" a a"


def test_a_name_listed_twice_in_another_case_is_reported_at_the_second_place():
    problems = check_passthrough_names(["X-Team", "X-User", "x-TEAM", "Host"])
    assert [index for index, _ in problems] == [2, 3]
    assert "X-Team is listed twice" in problems[0][1]


def test_collisions_are_found_in_any_case_and_named_canonically():
    assert find_collisions(["x-b", "X-A", "X-C"], ["X-a", "x-B", "X-D"]) == ("X-A", "X-B")
    assert find_collisions([], ["X-A"]) == ()


@given(TOKEN_TEXT)
def test_every_accepted_name_is_a_token_and_not_restricted(name):
    accepted = check_passthrough_name(name) is None
    assert accepted == (not is_restricted(name, passthrough=True))
