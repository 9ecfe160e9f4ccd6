"""Whatever is shown as a token or as a key set is judged, and what is held of it is bounded."""

import gc
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.idp import Idp, Key
from vmcp_proxy.auth.claims import are_same, fingerprint
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.incoming.oidc import claims as claims_of
from vmcp_proxy.auth.incoming.oidc.flaw import Flaw, Refused
from vmcp_proxy.auth.incoming.oidc.keys import SHAPES, KeySet
from vmcp_proxy.auth.incoming.oidc.signature import verify
from vmcp_proxy.auth.incoming.oidc.token import MAX_TOKEN_BYTES, bearer_token, is_well_formed, read_head
from vmcp_proxy.auth.incoming.oidc.token_cache import Known, Verdicts

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("kty", "n", "e", "crv", "x", "y", "alg", "use", "key_ops", "d")
JWK = st.dictionaries(st.sampled_from(MEMBERS), JSON | st.sampled_from(["RSA", "EC", "P-256", "AQAB", "sig", "ES256"]))
KEY = Key()
FOUND = KeySet.of({"keys": [KEY.jwk]}).find("key-1", "RS256")


@given(authorization=st.binary(max_size=200) | st.binary(max_size=80).map(lambda rest: b"Bearer " + rest))
def test_any_header_is_a_token_or_none(authorization):
    token = bearer_token(authorization)
    if token is not None and is_well_formed(token):
        read_head(token)


def test_only_the_characters_of_a_token_and_not_too_many_are_one():
    longest = b"a" * MAX_TOKEN_BYTES
    for good in (b"a", b"a.b.c", b"-._~+/==", longest):
        assert is_well_formed(good)
    for bad in (b"", b"=", b"a=b", b"a b", b"a,b", b'a"', b"\xff", longest + b"a", longest + b"="):
        assert not is_well_formed(bad)


@given(jwk=JWK, others=st.lists(JSON, max_size=3))
def test_any_key_set_is_read_and_hides_no_good_key(jwk, others):
    keys = KeySet.of({"keys": [*others, {**jwk, "kid": "odd"}, {**jwk, "kid": "key-1"}, KEY.jwk]})
    for algorithm in SHAPES:
        keys.find("odd", algorithm)
    assert keys.find("key-1", "RS256") is not None


@given(document=st.dictionaries(st.text(max_size=5), JSON) | st.builds(lambda keys: {"keys": keys}, JSON))
def test_any_document_is_a_key_set(document):
    assert KeySet.of(document).find("x", "RS256") is None


@given(more=st.dictionaries(st.sampled_from(("exp", "iat", "nbf", "iss", "aud", "sub", "jti", "scope", "scp")), JSON))
def test_any_claims_that_are_signed_are_judged(more):
    idp = Idp()
    idp.server.port = 1
    payload = json.dumps({**idp.claims("alice"), **more}).encode()
    token = jwt.PyJWS().encode(payload, KEY.private, "RS256", {"kid": "key-1"}).encode()
    verdict = verify(token, FOUND, idp.issuer, idp.audience)
    assert isinstance(verdict, claims_of.Claims | Refused)
    if isinstance(verdict, Refused):
        assert more
    else:
        assert verdict.subject
        assert all(isinstance(scope, str) for scope in verdict.scopes)


HALF = "a\ud83d"


@pytest.mark.parametrize(
    "more", [{"sub": HALF}, {"groups": [HALF]}, {"realm": {"deep": {HALF: 1}}}, {HALF: 1}, {"scope": f"a {HALF}"}]
)
def test_a_token_with_half_a_surrogate_pair_anywhere_is_refused_for_that(more):
    claims = {"sub": "alice", **more}
    assert claims_of.read_claims(json.loads(json.dumps(claims)), 1000.0) == Refused(Flaw.TEXT)


def test_what_stands_for_claims_tells_their_types_apart_and_not_their_order():
    values = [True, 1, 1.0, "1", "true", [1], [True], {"a": 1}, {"a": True}, None, 0, False, 0.0, -0.0, ""]
    assert len({fingerprint({"x": value}) for value in values}) == len(values)
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint({"b": {"d": 3, "c": 2}, "a": 1})
    assert not are_same({"a": [True]}, {"a": [1]})
    assert are_same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    one, other = (claims_of.read_claims({"sub": "alice", "admin": admin}, 1000.0) for admin in (True, 1))
    assert one != other


def test_a_grant_is_that_of_a_refreshed_token_and_of_no_other():
    def grant(scopes=("read",), **more):
        return Identity("https://idp.example", "alice", claims={"sub": "alice", **more}, scopes=frozenset(scopes)).grant

    usual = grant(exp=1, iat=1, nbf=1, jti="a", uti="b")
    assert grant(exp=2, iat=2, nbf=2, jti="b", aio="x") == usual == grant()
    others = [{"aud": "x"}, {"acr": "gold"}, {"groups": ["a"]}, {"groups": ["a", "b"]}, {"admin": 1}, {"admin": True}]
    assert len({usual, grant(("read", "write")), grant(()), *(grant(**each) for each in others)}) == 3 + len(others)


def test_a_weak_key_is_none():
    from cryptography.hazmat.primitives.asymmetric import rsa
    from jwt.algorithms import RSAAlgorithm

    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    jwk = {**RSAAlgorithm.to_jwk(weak, as_dict=True), "kid": "weak"}
    assert KeySet.of({"keys": [jwk]}).find("weak", "RS256") is None


def test_the_oldest_verdict_gives_way_and_what_is_over_is_let_go_of():
    verdicts = Verdicts(3)
    for number in range(5):
        verdicts.put(b"%d" % number, number, now=0.0, until=10.0)
    assert len(verdicts) == 3
    assert [verdicts.get(b"%d" % number, 5.0) for number in range(5)] == [None, None, 2, 3, 4]
    assert verdicts.get(b"4", 10.0) is None
    assert verdicts.past(b"4") == 4
    verdicts.put(b"new", 9, now=1000.0, until=1010.0)
    assert len(verdicts) == 1


def test_a_known_token_is_of_one_identity_while_somebody_holds_that_and_is_not_kept_with_it():
    known = Known(claims_of.read_claims({"sub": "alice"}, 1000.0))
    identity = known.identity("https://idp.example", b"secret-token")
    assert known.identity("https://idp.example", b"secret-token") is identity
    assert identity.token.reveal() == b"secret-token"
    assert "secret-token" not in repr(identity)
    assert identity.caller == Identity("https://idp.example", "alice", has_authorization=True)
    assert identity.caller.token is None
    assert identity.caller.expires_at is None
    caller = identity.caller
    assert caller.caller is caller
    del caller
    del identity
    gc.collect()
    assert not [each for each in gc.get_referents(known) if isinstance(each, Identity)]
    assert known.identity("https://idp.example", b"secret-token").subject == "alice"
