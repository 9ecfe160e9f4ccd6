"""What is captured of a request's headers, and that a snapshot is a copy that shows nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, AllowList, HeaderSnapshot

CANARY = b"canary-5512"


@pytest.mark.scenario("H-1")
def test_only_allowed_names_in_any_case_first_value_only_and_no_empty_ones():
    allowed = AllowList.of(["X-API-key", "x-tenant", "X-Empty", "X-Blank", "X-Absent"])
    headers = [
        (b"x-api-key", b"first"),
        (b"X-Api-Key", b"second"),
        (b"X-TENANT", b" padded "),
        (b"x-empty", b""),
        (b"x-blank", b"  "),
        (b"x-other", b"no"),
    ]
    assert allowed.capture(headers).items() == (("X-Api-Key", b"first"), ("X-Tenant", b"padded"))


@pytest.mark.scenario("H-1")
def test_an_empty_first_value_is_absent_whatever_follows():
    assert AllowList.of(["X-A"]).capture([(b"x-a", b""), (b"x-a", b"later")]) == EMPTY_SNAPSHOT


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize(
    "name", ["Host", "authorization", "COOKIE", "Mcp-Session-Id", "Connection", "Content-Type", "bad name", "", "x\ny"]
)
def test_what_may_not_be_forwarded_is_not_even_captured(name):
    allowed = AllowList.of([name, "X-Ok"])
    headers = [(name.lower().encode(), b"v"), (b"x-ok", b"1")]
    assert allowed.capture(headers).items() == (("X-Ok", b"1"),)


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\r\nX-B: c", b"a\0b", b"a\x7fb", b"\x1b[31m"])
def test_values_with_control_characters_are_not_captured(value):
    assert AllowList.of(["X-A"]).capture([(b"x-a", value)]) == EMPTY_SNAPSHOT


def test_a_value_of_other_bytes_stays_as_it_is():
    assert AllowList.of(["X-A"]).capture([(b"x-a", b"caf\xe9\t\xe2\x82\xac")]).items() == (
        ("X-A", b"caf\xe9\t\xe2\x82\xac"),
    )


@pytest.mark.scenario("H-4")
def test_a_snapshot_is_a_copy_of_its_source():
    value = bytearray(b"original")
    headers = [[b"x-a", value]]
    taken = AllowList.of(["X-A"]).capture(headers)
    value[:] = b"changed!"
    headers[0][1] = b"replaced"
    headers.append([b"x-a", b"more"])
    assert taken.items() == (("X-A", b"original"),)
    with pytest.raises((AttributeError, TypeError)):
        taken.items()[0][1] = b"x"
    with pytest.raises(AttributeError):
        taken.more = 1


@pytest.mark.scenario("H-7")
def test_a_snapshot_shows_neither_names_nor_values():
    taken = HeaderSnapshot([("X-Secret-Name", CANARY)])
    for shown in (repr(taken), str(taken), f"{taken}", repr([taken])):
        assert CANARY.decode() not in shown
        assert "Secret" not in shown


PAIRS = st.dictionaries(st.from_regex(r"\A[A-Z][a-z]{0,5}\Z"), st.binary(max_size=8), max_size=5)


@pytest.mark.scenario("H-8", "H-10")
@given(PAIRS, PAIRS)
def test_the_canonical_bytes_tell_any_two_snapshots_apart(first, second):
    one, two = HeaderSnapshot(first.items()), HeaderSnapshot(second.items())
    assert (one.canonical_bytes() == two.canonical_bytes()) == (first == second) == (one == two)
    if one == two:
        assert hash(one) == hash(two)


@given(PAIRS)
def test_the_order_of_headers_makes_no_difference(pairs):
    items = list(pairs.items())
    assert HeaderSnapshot(items) == HeaderSnapshot(reversed(items))


def test_an_allow_list_with_a_name_twice_captures_it_once():
    allowed = AllowList.of(["X-A", "x-a", "X-a"])
    assert allowed.capture([(b"x-a", b"1")]).items() == (("X-A", b"1"),)
    assert AllowList.of([]).capture([(b"x-a", b"1")]) is EMPTY_SNAPSHOT
