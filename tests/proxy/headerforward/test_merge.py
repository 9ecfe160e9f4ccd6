"""The one merge of passthrough, static and authentication headers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmcp_api.headers import RESTRICTED, RESTRICTED_PASSTHROUGH, canonical_name
from vmcp_proxy.headerforward import Collision, HeaderSnapshot, merge

NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9-]{0,12}\Z")
VALUES = st.binary(max_size=20)


def snapshot(**headers: bytes) -> HeaderSnapshot:
    return HeaderSnapshot((name.replace("_", "-"), value) for name, value in headers.items())


@pytest.mark.scenario("H-5")
@pytest.mark.parametrize(
    ("passthrough", "static", "expected"),
    [
        (snapshot(), [], ()),
        (snapshot(), [("x-a", b"1")], ((b"X-A", b"1"),)),
        (snapshot(X_A=b"1"), [], ((b"X-A", b"1"),)),
        (snapshot(X_A=b"1"), [("x-b", b"2")], ((b"X-A", b"1"), (b"X-B", b"2"))),
        (snapshot(X_B=b"1"), [("X-a", b"2")], ((b"X-A", b"2"), (b"X-B", b"1"))),
        (snapshot(), [("x-api-KEY", b"1")], ((b"X-Api-Key", b"1"),)),
        (snapshot(X_A=b"1"), [("x-A", b"1")], Collision("X-A")),
        (snapshot(X_A=b"1"), [("HOST", b"h"), ("mcp-session-id", b"s"), ("Content-length", b"1")], ((b"X-A", b"1"),)),
        (snapshot(), [("Authorization", b"static is allowed")], ((b"Authorization", b"static is allowed"),)),
        (snapshot(), [("bad name", b"1"), ("", b"1"), ("x:y", b"1"), ("x\r\ny", b"1")], ()),
        (snapshot(), [("X-A", b"a\r\nX-B: b"), ("X-C", b"a\0b"), ("X-T", b"a\tb")], ((b"X-T", b"a\tb"),)),
    ],
)
def test_the_table(passthrough, static, expected):
    assert merge(passthrough, static) == expected


@pytest.mark.scenario("H-5")
def test_outgoing_authentication_wins_over_both_and_over_their_collision():
    assert merge(snapshot(X_A=b"p"), [], [("x-a", b"auth")]) == ((b"X-A", b"auth"),)
    assert merge(snapshot(), [("X-A", b"s")], [("x-a", b"auth")]) == ((b"X-A", b"auth"),)
    assert merge(snapshot(X_A=b"p"), [("X-A", b"s")], [("x-a", b"auth")]) == ((b"X-A", b"auth"),)
    assert merge(snapshot(), [], [("authorization", b"Bearer t")]) == ((b"Authorization", b"Bearer t"),)


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("name", sorted(RESTRICTED_PASSTHROUGH | {"mcp-session-id", "mcp-anything"}))
def test_restricted_names_never_come_from_a_client(name):
    assert merge(HeaderSnapshot([(canonical_name(name), b"v"), ("X-Ok", b"1")])) == ((b"X-Ok", b"1"),)


@pytest.mark.scenario("H-9")
@pytest.mark.parametrize("name", sorted(RESTRICTED | {"mcp-protocol-version"}))
def test_restricted_names_never_come_from_a_config(name):
    assert merge(HeaderSnapshot(), [(name.upper(), b"v")]) == ()


@pytest.mark.scenario("H-4", "H-5")
@example({"O": b"", "o": b""}, {})
@given(st.dictionaries(NAMES, VALUES, max_size=6), st.dictionaries(NAMES, VALUES, max_size=6))
def test_both_sides_arrive_whole_or_collide_and_neither_is_changed(client, static):
    passthrough = HeaderSnapshot((canonical_name(name), value) for name, value in client.items())
    before, pairs = passthrough.items(), list(static.items())
    merged = merge(passthrough, pairs)
    assert (passthrough.items(), pairs) == (before, list(static.items()))
    if isinstance(merged, Collision):
        assert merged.header in {canonical_name(name) for name in client}
        assert merged.header in {canonical_name(name) for name in static}
        return
    names = [name for name, _ in merged]
    assert names == sorted(names)
    assert len({name.lower() for name in names}) == len(names)
    for name, value in merged:
        assert not set(value) & set(b"\r\n\0")
        assert name.decode() == canonical_name(name.decode())
    assert merge(passthrough, pairs[::-1]) == merged or len({n.lower() for n in static}) < len(static)
