"""What stands for callers in the names of their buckets is computed once, and anew with another signing key."""

import pytest

from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, Identity
from vmcp_proxy.limits.users import user_key
from vmcp_proxy.run.parts import limits
from vmcp_proxy.run.parts.limits import UserKeys
from vmcp_proxy.sessions import Keyring

CALLERS = (
    Identity("https://a.example", "b"),
    Identity("https://a.example", "c", claims={"sub": "c"}),
    Identity("https://a.exampleb", ""),
    ANONYMOUS,
    ANONYMOUS_WITH_AUTHORIZATION,
)


def test_callers_have_their_own_digest_of_the_key_in_force(monkeypatch):
    rings = [Keyring.random(), Keyring.random()]
    current = rings[0]
    keys = UserKeys(lambda: current)
    for current in (*rings, rings[0]):
        expected = [user_key(current, each.canonical_bytes) for each in CALLERS]
        assert [keys.of(each) for each in CALLERS] == expected
        monkeypatch.setattr(limits, "user_key", None)
        assert [keys.of(each) for each in CALLERS] == expected
        monkeypatch.undo()
    assert len(set(expected)) == len(CALLERS)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_many_callers_begin_anew_and_stay_themselves(monkeypatch, most):
    monkeypatch.setattr(limits, "_MOST_USERS", most)
    ring = Keyring.random()
    keys = UserKeys(lambda: ring)
    for each in CALLERS * 2:
        assert keys.of(each) == user_key(ring, each.canonical_bytes)
        assert len(keys._known) <= most
