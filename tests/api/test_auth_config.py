"""Who comes in, what they may do and what backends are shown, as the config of a proxy says it."""

import pytest

from vmcp_api.config import Backend, Network, ProxyConfig, Transport
from vmcp_api.manifests.parse import parse_model
from vmcp_api.manifests.problems import Problems
from vmcp_api.render import decode_config, encode_config, secret_refs
from vmcp_api.spec.authorization import Authorization, PolicyMode
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType, OidcSettings
from vmcp_api.spec.outgoing import OutgoingAuth, TokenType
from vmcp_api.spec.references import KeyRef

SECRET = {"name": "s", "key": "k"}
CLIENT = {"tokenUrl": "https://idp.example.com/token", "clientId": "proxy", "clientSecretRef": SECRET}
STRATEGIES = {
    "headerInjection": {"headerName": "X-Key", "valueSecretRef": SECRET},
    "bearerToken": {"tokenSecretRef": SECRET},
    "clientCredentials": {**CLIENT, "scopes": ["read"], "network": "private", "caBundle": "PEM"},
    "tokenExchange": {"tokenUrl": "https://idp.example.com/token", "audience": "a", "subjectTokenType": "id_token"},
    "identityAssertion": {**CLIENT, "audience": "https://as.example.com", "idp": CLIENT},
    "relay": {"headers": ["Authorization"], "audience": "files"},
}


def strategy(kind: str) -> OutgoingAuth:
    parsed = parse_model(OutgoingAuth, {"type": kind, kind: STRATEGIES[kind]})
    assert isinstance(parsed, OutgoingAuth), str(parsed)
    return parsed


def config(**parts) -> ProxyConfig:
    return ProxyConfig(name="front", **{"incoming_auth": IncomingAuth(type=IncomingAuthType.ANONYMOUS), **parts})


def backend(auth: OutgoingAuth | None) -> Backend:
    return Backend(
        name="a", kind="MCPServerEntry", transport=Transport.SSE, url="https://example.com/sse", outgoing_auth=auth
    )


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_strategy_comes_back_from_the_config_as_it_went_in(kind):
    written = config(backends=(backend(strategy(kind)),))
    assert decode_config(encode_config(written), "config.json") == written


def test_callers_tokens_and_policies_come_back_from_the_config_as_they_went_in():
    oidc = OidcSettings(
        issuer="https://idp.example.com/realms/a",
        audience="vmcp",
        scopes=("mcp:read",),
        client_id="proxy",
        client_secret_ref=KeyRef(name="idp", key="secret"),
        network=Network.PRIVATE,
    )
    written = config(
        incoming_auth=IncomingAuth(type=IncomingAuthType.OIDC, oidc=oidc),
        authorization=Authorization(policies=("permit(principal, action, resource);",), mode=PolicyMode.SHADOW),
    )
    assert decode_config(encode_config(written), "config.json") == written
    assert list(secret_refs(written)) == [KeyRef(name="idp", key="secret")]


@pytest.mark.parametrize(
    ("kind", "count"),
    [("headerInjection", 1), ("bearerToken", 1), ("clientCredentials", 1), ("identityAssertion", 2), ("relay", 0)],
)
def test_every_secret_of_a_strategy_is_among_those_that_the_pods_mount(kind, count):
    written = config(backends=(backend(strategy(kind)),))
    assert [(ref.name, ref.key) for ref in secret_refs(written)] == [("s", "k")] * count


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (IncomingAuth, {"type": "oidc"}),
        (IncomingAuth, {"type": "anonymous", "oidc": {"issuer": "https://idp.example.com", "audience": "a"}}),
        (OutgoingAuth, {"type": "relay"}),
        (OutgoingAuth, {"type": "unauthenticated", "relay": {"headers": ["Authorization"]}}),
        (
            OutgoingAuth,
            {"type": "bearerToken", "bearerToken": {"tokenSecretRef": SECRET}, "relay": {"headers": ["Cookie"]}},
        ),
        (Authorization, {"policies": []}),
    ],
)
def test_a_config_that_leaves_out_what_its_type_needs_is_refused_and_never_read_as_open(model, data):
    assert isinstance(parse_model(model, data), Problems)


@pytest.mark.parametrize("written", ["jwt", "urn:ietf:params:oauth:token-type:jwt"])
def test_the_type_of_a_subject_token_may_be_written_in_full(written):
    exchange = {**STRATEGIES["tokenExchange"], "subjectTokenType": written}
    parsed = parse_model(OutgoingAuth, {"type": "tokenExchange", "tokenExchange": exchange})
    assert isinstance(parsed, OutgoingAuth)
    assert parsed.token_exchange
    assert parsed.token_exchange.subject_token_type is TokenType.JWT
