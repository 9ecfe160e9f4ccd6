"""Whose headers may be relayed: under OIDC only those of callers whose token is for the backend too."""

import pytest

from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, LOCAL_ISSUER, Identity
from vmcp_proxy.auth.outgoing.relay import Relay

BACKEND = "https://mcp.example.com/mcp"


def by_token(**claims):
    return Identity("https://idp.example.com", "alice", claims=claims)


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("audience", [None, BACKEND])
@pytest.mark.parametrize("identity", [ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, Identity(LOCAL_ISSUER, "me")])
def test_who_comes_without_a_token_of_a_server_is_relayed(identity, audience):
    assert Relay(frozenset({"Cookie"}), audience).allows(identity)


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("said", [BACKEND, [BACKEND], ["vmcp", BACKEND], ("vmcp", BACKEND)])
def test_a_token_that_is_for_the_backend_too_is_relayed(said):
    assert Relay(frozenset({"Authorization"}), BACKEND).allows(by_token(aud=said))


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize(
    "said", [None, "", "vmcp", [], ["vmcp"], [BACKEND + "/"], BACKEND.upper(), [None], {"a": 1}, 7, [[BACKEND]]]
)
def test_a_token_that_is_not_for_the_backend_is_not(said):
    assert not Relay(frozenset({"Authorization"}), BACKEND).allows(by_token(aud=said))


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("identity", [by_token(aud=[None]), by_token(), by_token(aud=["vmcp"])])
def test_where_the_backend_has_no_name_for_tokens_nobody_with_one_is_relayed(identity):
    assert not Relay(frozenset({"Authorization"}), None).allows(identity)
