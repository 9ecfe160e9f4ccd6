"""What is captured for one backend alone, and that it never stands among what goes to all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, AllowList, HeaderSnapshot, merge

CANARY = b"canary-9917"
HEADERS = [(b"authorization", b"Bearer " + CANARY), (b"cookie", b"id=" + CANARY), (b"x-tenant", b"blue")]


@pytest.mark.scenario("I-9")
def test_what_is_relayed_goes_to_no_backend_that_does_not_ask_for_it():
    taken = AllowList.of(["X-Tenant"], ["authorization", "Cookie"]).capture(HEADERS)
    assert taken.items() == (("X-Tenant", b"blue"),)
    assert (list(taken), len(taken)) == (["X-Tenant"], 1)
    assert merge(taken) == ((b"X-Tenant", b"blue"),)
    assert taken.relayed({"Cookie"}) == (("Cookie", b"id=" + CANARY),)
    assert taken.relayed({"X-Tenant"}) == (), "what all get is not relayed a second time"


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize(
    "name", ["Host", "Mcp-Session-Id", "content-length", "Connection", "Proxy-Authorization", "a b"]
)
def test_what_only_a_connection_or_the_protocol_may_say_is_not_relayed(name):
    assert AllowList.of([], [name]).capture([(name.lower().encode(), b"v")]).is_empty


def test_the_first_value_counts_and_what_cannot_be_sent_is_absent():
    allowed = AllowList.of([], ["Authorization", "Cookie", "X-Gone"])
    taken = allowed.capture([(b"authorization", b" one "), (b"authorization", b"two"), (b"cookie", b"a\nb")])
    assert taken.relayed({"Authorization", "Cookie", "X-Gone"}) == (("Authorization", b"one"),)


@pytest.mark.scenario("H-7", "I-9")
def test_a_snapshot_shows_neither_names_nor_values_of_what_is_relayed():
    taken = AllowList.of([], ["Authorization"]).capture(HEADERS)
    assert repr(taken) == "HeaderSnapshot(0 headers, 1 relayed)"
    assert not taken.is_empty


def test_only_what_a_backend_is_relayed_tells_two_clients_apart_for_it():
    one = HeaderSnapshot([("X-Tenant", b"blue")], [("Authorization", b"a"), ("Cookie", b"same")])
    two = HeaderSnapshot([("X-Tenant", b"blue")], [("Authorization", b"b"), ("Cookie", b"same")])
    assert one != two
    assert one.narrowed(()) == two.narrowed(()) == HeaderSnapshot([("X-Tenant", b"blue")])
    assert one.narrowed({"Cookie"}) == two.narrowed({"Cookie"})
    assert one.narrowed({"Authorization"}) != two.narrowed({"Authorization"})
    assert EMPTY_SNAPSHOT.narrowed({"Cookie"}) is EMPTY_SNAPSHOT


@pytest.mark.scenario("I-9")
def test_a_snapshot_knows_what_the_token_was_for_that_relayed_headers_came_with():
    audiences = frozenset({"vmcp", "files"})
    allowed = AllowList.of(["X-Tenant"], ["Cookie"])
    taken = allowed.capture(HEADERS, audiences)
    assert taken.audiences == taken.narrowed({"Cookie"}).audiences == audiences
    assert allowed.capture(HEADERS).audiences is None
    assert taken != allowed.capture(HEADERS, frozenset({"vmcp"})), "what is known of them is not the same"
    assert taken.canonical_bytes() == allowed.capture(HEADERS).canonical_bytes(), "only values are fingerprinted"
    assert taken.narrowed(()) == allowed.capture(HEADERS[2:], audiences) == HeaderSnapshot([("X-Tenant", b"blue")])


PAIRS = st.dictionaries(st.from_regex(r"\A[A-Z][a-z]{0,5}\Z"), st.binary(max_size=8), max_size=3)


@pytest.mark.scenario("H-8", "I-9")
@given(PAIRS, PAIRS, PAIRS, PAIRS)
def test_the_canonical_bytes_tell_apart_what_goes_to_all_and_what_goes_to_one(first, second, third, fourth):
    one, two = HeaderSnapshot(first.items(), second.items()), HeaderSnapshot(third.items(), fourth.items())
    assert (one.canonical_bytes() == two.canonical_bytes()) == ((first, second) == (third, fourth)) == (one == two)
    if not second:
        assert one.canonical_bytes() == HeaderSnapshot(first.items()).canonical_bytes()
