"""What the documentation says of Keycloak's tokens, as Keycloak itself says it."""

import jwt
import pytest


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_a_users_token_has_the_audience_groups_as_an_array_and_roles_below_realm_access(realm):
    claims = claims_of(realm.token("alice"))
    assert claims["iss"] == realm.issuer
    assert "vmcp" in claims["aud"]
    assert claims["groups"] == ["engineering"]
    assert {"developer", "reader"} <= set(claims["realm_access"]["roles"])
    assert claims_of(realm.token("bob"))["groups"] == ["sales"]
    assert claims["sub"] != claims_of(realm.token("bob"))["sub"]


def test_without_a_mapper_a_token_is_not_for_the_gateway(realm):
    assert "vmcp" not in claims_of(realm.token("alice", "stranger")).get("aud", [])


def test_a_token_is_active_until_its_user_logs_out(realm):
    login = realm.login("alice")
    told = realm.introspected(login["access_token"], "vmcp")
    assert told["active"]
    assert (told["username"], told["groups"]) == ("alice", ["engineering"])
    realm.logout(login)
    assert realm.introspected(login["access_token"], "vmcp") == {"active": False}


def test_a_rotation_changes_the_key_of_new_tokens(realm):
    before = jwt.get_unverified_header(realm.token("alice"))["kid"]
    realm.rotate()
    after = jwt.get_unverified_header(realm.token("alice"))["kid"]
    assert after != before
    assert {before, after} <= realm.kids()


@pytest.mark.parametrize("more", [{}, {"audience": "orders"}])
def test_the_gateway_exchanges_a_users_token_for_one_of_a_backend(realm, more):
    token = realm.token("alice")
    claims = claims_of(realm.exchange(token, **more)["access_token"])
    assert (claims["azp"], claims["sub"]) == ("vmcp", claims_of(token)["sub"])
    assert "orders" in claims["aud"]
    assert "vmcp" not in claims["aud"]
