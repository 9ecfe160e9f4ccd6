"""The state of a call that pauses: good for one caller and one request, for a while, and for nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, Identity
from vmcp_proxy.core.calls.pausing.round_state import (
    MOST_SEALED,
    STATE_SECONDS,
    Binding,
    Flaw,
    Opened,
    Parked,
    Relayed,
    bind,
    open_state,
    seal_parked,
    seal_relayed,
)
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.protocol.modern.input_required import raw_text, read_text

KEYS = Keyring.of({"1": bytes(range(32))})
NEWER = Keyring.of({"1": bytes(range(32)), "2": bytes(32)})
ALICE = Identity("https://idp.example", "alice")
NOW = 1_800_000_000.0
BINDING = bind(ALICE, EMPTY_SNAPSHOT, "tools/call", "a_tool", b'{"x":1}', "a")
PLACE = Parked("p" * 22, 7)

# Every text that JSON can hold, lone surrogates among them.
texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)


def opened(text, keys=KEYS, now=NOW):
    return open_state(keys, text, now)


@given(state=texts)
def test_a_state_comes_back_as_the_backend_gave_it(state):
    assert opened(seal_relayed(KEYS, BINDING, state, NOW)) == Opened(BINDING, Relayed(state))


@given(state=texts)
def test_a_state_survives_the_json_on_its_way(state):
    sealed = seal_relayed(KEYS, BINDING, state + "x" * MOST_SEALED, NOW)
    back = read_text(json.dumps(json.loads(bytes(raw_text(sealed)))).encode())
    assert back == sealed
    assert opened(back) == Opened(BINDING, Relayed(state + "x" * MOST_SEALED))
    assert read_text(raw_text(state)) == state


def test_nobody_reads_a_state_that_is_sealed_and_a_large_one_grows_by_little():
    sealed = seal_relayed(KEYS, BINDING, "the price is 42", NOW)
    assert "42" not in sealed
    assert "alice" not in sealed
    large = "y" * (MOST_SEALED + 1)
    assert seal_relayed(KEYS, BINDING, large, NOW).endswith(f".{large}")
    assert len(seal_relayed(KEYS, BINDING, large, NOW)) < len(large) + 256


@given(st.data())
def test_a_changed_state_is_refused(data):
    state = data.draw(st.sampled_from(["", "short", "z" * (MOST_SEALED + 9)]))
    sealed = seal_relayed(KEYS, BINDING, state, NOW)
    at = data.draw(st.integers(0, len(sealed) - 1))
    drawn = data.draw(st.sampled_from('Aa0_-.="é'))
    # What may be drawn must not depend on the seal, which is another one each time.
    other = drawn if drawn != sealed[at] else "B"
    assert opened(sealed[:at] + other + sealed[at + 1 :]) is Flaw.CHANGED
    assert opened(sealed[:at]) is Flaw.CHANGED
    assert opened(f"{sealed}{other}") is Flaw.CHANGED


@pytest.mark.parametrize(
    "text", ["", ".", "v1", "v1.1", "v1.1.", "v1.1..", "v2.1.AAAA", "v1.9.AAAA", "v1.1.AAAA=", "é"]
)
def test_what_was_never_given_out_is_refused(text):
    assert opened(text) is Flaw.CHANGED


def test_a_state_lasts_for_an_hour_and_a_place_as_long_as_is_said():
    state, place = seal_relayed(KEYS, BINDING, "s", NOW), seal_parked(KEYS, BINDING, PLACE, NOW + 60)
    assert opened(state, now=NOW + STATE_SECONDS - 1) == Opened(BINDING, Relayed("s"))
    assert opened(state, now=NOW + STATE_SECONDS) is Flaw.EXPIRED
    assert opened(place, now=NOW + 59) == Opened(BINDING, PLACE)
    assert opened(place, now=NOW + 60) is Flaw.EXPIRED
    assert opened(seal_parked(KEYS, BINDING, PLACE, float("nan"))) is Flaw.EXPIRED


def test_the_highest_key_seals_and_every_key_opens():
    older, newer = seal_relayed(KEYS, BINDING, "s", NOW), seal_relayed(NEWER, BINDING, "s", NOW)
    assert opened(older, NEWER) == opened(newer, NEWER) == Opened(BINDING, Relayed("s"))
    assert newer.startswith("v1.2.")
    assert opened(newer, KEYS) is Flaw.CHANGED
    assert opened(f"v1.1.{newer.removeprefix('v1.2.')}", NEWER) is Flaw.CHANGED


def other_binding(**changed):
    said = {
        "identity": ALICE,
        "snapshot": EMPTY_SNAPSHOT,
        "method": "tools/call",
        "name": "a_tool",
        "arguments": b'{"x":1}',
        "backend": "a",
    }
    return bind(**{**said, **changed})


@pytest.mark.parametrize(
    ("changed", "flaw"),
    [
        ({}, None),
        ({"identity": Identity("https://idp.example", "alice", claims={"role": "other"})}, None),
        ({"identity": Identity("https://idp.example", "mallory")}, Flaw.OTHER_CALLER),
        ({"identity": Identity("https://other.example", "alice")}, Flaw.OTHER_CALLER),
        ({"identity": Identity("https://idp.examplealice", "")}, Flaw.OTHER_CALLER),
        ({"identity": ANONYMOUS}, Flaw.OTHER_CALLER),
        ({"snapshot": HeaderSnapshot([("X-Key", b"k")])}, Flaw.OTHER_CALLER),
        ({"snapshot": HeaderSnapshot((), [("Authorization", b"k")])}, Flaw.OTHER_CALLER),
        ({"method": "prompts/get"}, Flaw.OTHER_REQUEST),
        ({"name": "b_tool"}, Flaw.OTHER_REQUEST),
        ({"backend": "b"}, Flaw.OTHER_REQUEST),
        ({"backend": ""}, Flaw.OTHER_REQUEST),
        ({"backend": "at", "method": "ools/call"}, Flaw.OTHER_REQUEST),
        ({"arguments": b'{"x":2}'}, Flaw.OTHER_REQUEST),
        ({"arguments": None}, Flaw.OTHER_REQUEST),
        ({"arguments": b' {"x" : 1.0 }'}, None),
    ],
)
def test_a_state_is_good_for_its_caller_and_its_request_only(changed, flaw):
    found = opened(seal_relayed(KEYS, BINDING, "s", NOW))
    assert found.flaw_for(other_binding(**changed)) is flaw


@pytest.mark.parametrize(
    ("claims", "scopes", "flaw"),
    [
        ({"role": "admin", "exp": 2, "jti": "b"}, {"write"}, None),
        ({"role": "guest", "exp": 1, "jti": "a"}, {"write"}, Flaw.OTHER_GRANT),
        ({"exp": 1, "jti": "a"}, {"write"}, Flaw.OTHER_GRANT),
        ({"role": "admin", "exp": 1, "jti": "a"}, set(), Flaw.OTHER_GRANT),
    ],
)
def test_a_place_is_good_for_tokens_that_say_the_same(claims, scopes, flaw):
    def by(claims, scopes):
        identity = Identity("https://idp.example", "alice", claims=claims, scopes=frozenset(scopes))
        return other_binding(identity=identity, backend="")

    begun = by({"role": "admin", "exp": 1, "jti": "a"}, {"write"})
    assert opened(seal_parked(KEYS, begun, Parked("pod", 1), NOW + 60)).flaw_for(by(claims, scopes)) is flaw


def test_anonymous_callers_differ_by_having_sent_authorization():
    one, other = (other_binding(identity=each) for each in (ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION))
    assert one.caller != other.caller
    assert isinstance(one, Binding)


def test_a_text_is_read_from_json_and_nothing_else_is():
    assert read_text(b'"\\u0061"') == "a"
    for raw in (b"null", b"1", b'["a"]', b'"', b"{}", b"[" * 100_000):
        assert read_text(raw) is None
