"""Whose headers may be relayed: under OIDC only those of callers whose token is for the backend too."""

import pytest

from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, LOCAL_ISSUER, Identity
from vmcp_proxy.auth.outgoing.relay import Relay
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot

BACKEND = "https://mcp.example.com/mcp"


def by_token(**claims):
    return Identity("https://idp.example.com", "alice", claims=claims)


def came_with(identity):
    """What a request of this caller would be relayed with."""
    return HeaderSnapshot(relayed=[("Authorization", b"a"), ("Cookie", b"c")], audiences=identity.audiences)


def is_relayed(names, audience, identity):
    return Relay(frozenset(names), audience).refusal(identity, came_with(identity)) is None


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("audience", [None, BACKEND])
@pytest.mark.parametrize("identity", [ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, Identity(LOCAL_ISSUER, "me")])
def test_who_comes_without_a_token_of_a_server_is_relayed(identity, audience):
    assert is_relayed({"Cookie"}, audience, identity)


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("said", [BACKEND, [BACKEND], ["vmcp", BACKEND], ("vmcp", BACKEND)])
def test_a_token_that_is_for_the_backend_too_is_relayed(said):
    assert is_relayed({"Authorization"}, BACKEND, by_token(aud=said))


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize(
    "said", [None, "", "vmcp", [], ["vmcp"], [BACKEND + "/"], BACKEND.upper(), [None], {"a": 1}, 7, [[BACKEND]]]
)
def test_a_token_that_is_not_for_the_backend_is_not(said):
    assert not is_relayed({"Authorization"}, BACKEND, by_token(aud=said))


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("identity", [by_token(aud=[None]), by_token(), by_token(aud=["vmcp"])])
def test_where_the_backend_has_no_name_for_tokens_nobody_with_one_is_relayed(identity):
    assert not is_relayed({"Authorization"}, None, identity)


FOR_IT, NOT_FOR_IT = by_token(aud=["vmcp", BACKEND]), by_token(aud="vmcp")


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize(
    ("asks", "brought_by", "is_fine"),
    [
        (FOR_IT, FOR_IT, True),
        (FOR_IT, NOT_FOR_IT, False),
        (NOT_FOR_IT, FOR_IT, False),
        (FOR_IT, FOR_IT.caller, False),
        (FOR_IT.caller, FOR_IT, False),
        (FOR_IT, ANONYMOUS, False),
        (ANONYMOUS, FOR_IT, False),
    ],
)
def test_both_who_asks_and_who_brought_the_headers_need_a_token_for_the_backend(asks, brought_by, is_fine):
    refusal = Relay(frozenset({"Cookie"}), BACKEND).refusal(asks, came_with(brought_by))
    assert (refusal is None) is is_fine


@pytest.mark.scenario("I-9")
def test_where_there_is_nothing_to_relay_only_who_asks_counts():
    other = HeaderSnapshot([("X-Tenant", b"blue")], [("X-Other", b"v")], NOT_FOR_IT.audiences)
    for brought in (EMPTY_SNAPSHOT, other):
        assert Relay(frozenset({"Cookie"}), BACKEND).refusal(FOR_IT, brought) is None
        assert Relay(frozenset({"Cookie"}), BACKEND).refusal(NOT_FOR_IT, brought) is not None
