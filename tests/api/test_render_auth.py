"""Rendering of what callers may do and what backends are shown: references followed, broken ones kept apart."""

import pytest

from tests.api.authcases import CLIENT, EXCHANGE, SECRET, STRATEGIES, strategy
from tests.api.manifests import build, team
from tests.support.certificates import CA_CERTIFICATE
from vmcp_api.config import Network
from vmcp_api.kinds.foreign.core import ConfigMap, Secret
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.manifests.resources import build_resources
from vmcp_api.render import Mode, Rendered, render
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.outgoing import OutgoingAuth, TokenType

OIDC = {"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": "vmcp"}}
PROVIDER = build("MCPOIDCConfig", "idp")
OWN = {"externalAuthConfigRef": {"name": "keys"}}
ALLOWED = {"outgoingAuth": {"allowedTokenHosts": ["mcp.example.com", "http://idp.example.com"]}}
REFERENCE = {"type": "externalAuthConfigRef", "externalAuthConfigRef": {"name": "keys"}}


def config(**spec):
    return build("MCPExternalAuthConfig", "keys", **spec)


def rendered(*objects, mode: Mode = Mode.CLUSTER, **spec) -> Rendered:
    result = render(team(*objects, reads_secrets=mode is Mode.LOCAL, **spec), "front", mode=mode)
    assert isinstance(result, Rendered), str(result)
    return result


def shown(result: Rendered) -> OutgoingAuth | None:
    (backend,) = result.config.backends
    return backend.outgoing_auth


def refused(result: Rendered) -> tuple[str, str]:
    (withheld,) = result.config.withheld
    return withheld.reason, withheld.message


@pytest.mark.parametrize("kind", ["MCPServer", "MCPServerEntry"])
def test_a_backend_is_shown_what_it_refers_to(kind):
    auth = shown(rendered(build(kind, **OWN), config(**strategy("bearerToken"))))
    assert auth
    assert (auth.type, auth.bearer_token.token_secret_ref.name) == ("bearerToken", "s")


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_strategy_in_the_virtual_server_is_the_same_as_by_reference(kind):
    written = {"outgoingAuth": {"backends": {"one": strategy(kind)}}, "incomingAuth": OIDC}
    if kind == "relay":
        written["outgoingAuth"]["backends"]["one"]["relay"] = {"headers": ["X-A"], "audience": "files"}
    shared = config(**written["outgoingAuth"]["backends"]["one"])
    inline = shown(rendered(build("MCPServerEntry"), PROVIDER, **written))
    by_reference = shown(rendered(build("MCPServerEntry", **OWN), shared, PROVIDER, incomingAuth=OIDC, **ALLOWED))
    assert inline == by_reference != None  # noqa: E711 - both say something


@pytest.mark.parametrize(
    ("own", "outgoing", "expected"),
    [
        (None, {}, None),
        (OWN, {}, "bearerToken"),
        (OWN, {"default": {"type": "unauthenticated"}}, "bearerToken"),
        (OWN, {"backends": {"one": {"type": "unauthenticated"}}}, "bearerToken"),
        (OWN, {"source": "inline"}, None),
        (OWN, {"source": "inline", "default": {"type": "discovered"}}, "bearerToken"),
        (OWN, {"source": "inline", "backends": {"one": {"type": "unauthenticated"}}}, "unauthenticated"),
        (None, {"default": REFERENCE}, "bearerToken"),
        (None, {"default": REFERENCE, "backends": {"one": {"type": "unauthenticated"}}}, "unauthenticated"),
        (None, {"default": REFERENCE, "backends": {"one": {"type": "discovered"}}}, None),
        (None, {"default": REFERENCE, "backends": {"two": {"type": "unauthenticated"}}}, "bearerToken"),
    ],
)
def test_what_counts_is_the_backends_own_reference_then_its_name_then_the_default(own, outgoing, expected):
    entry = build("MCPServerEntry", **(own or {}))
    auth = shown(rendered(entry, config(**strategy("bearerToken")), outgoingAuth=outgoing))
    assert (auth and auth.type) == expected


def test_what_does_not_count_is_told():
    entry = build("MCPServerEntry", **OWN)
    outgoing = {"backends": {"one": {"type": "unauthenticated"}, "oen": {"type": "unauthenticated"}}}
    result = rendered(entry, config(**strategy("bearerToken")), outgoingAuth=outgoing)
    assert {(problem.subject, problem.path) for problem in result.warnings} == {
        ("VirtualMCPServer/front", "spec.outgoingAuth.backends.oen"),
        ("MCPServerEntry/one", "spec.externalAuthConfigRef"),
    }


@pytest.mark.parametrize("members", [(), ("one",), ("one", "two")])
def test_a_default_that_is_not_there_is_told_once_whoever_is_shown_it(members):
    entries = [build("MCPServerEntry", name) for name in members]
    result = rendered(*entries, build("MCPServerEntry", "last", **OWN), outgoingAuth={"default": REFERENCE})
    told = [
        str(each) for each in result.warnings if each.path == "spec.outgoingAuth.default.externalAuthConfigRef.name"
    ]
    assert len(told) == 1
    assert "MCPExternalAuthConfig 'keys' does not exist in this namespace; create it, or name another" in told[0]


@pytest.mark.scenario("I-8")
@pytest.mark.parametrize("spec", [OWN, {}])
def test_a_broken_reference_withholds_its_backend_and_the_others_are_served(spec):
    outgoing = {} if spec else {"backends": {"one": REFERENCE}}
    result = rendered(build("MCPServerEntry", **spec), build("MCPServerEntry", "two"), outgoingAuth=outgoing)
    reason, message = refused(result)
    assert [backend.name for backend in result.config.backends] == ["two"]
    assert reason == "ExternalAuthConfigNotFound"
    assert "MCPExternalAuthConfig 'keys' does not exist in this namespace; create it, or name another" in message


@pytest.mark.scenario("I-8")
def test_a_reference_to_something_invalid_is_not_told_to_be_missing():
    flaw = Problem("is required for type relay", "write it", ("spec", "relay"))
    objects = (build("VirtualMCPServer", "front"), build("MCPGroup", "team"), build("MCPServerEntry", **OWN))
    invalid = {("MCPExternalAuthConfig", "keys"): Problems.of(flaw)}
    result = render(build_resources("ns", objects, reads_secrets=False, invalid=invalid), "front", mode=Mode.CLUSTER)
    assert isinstance(result, Rendered)
    reason, message = refused(result)
    assert reason == "ExternalAuthConfigInvalid"
    assert "does not exist" not in message
    assert "'keys' is not valid: MCPExternalAuthConfig/keys: spec.relay: is required for type relay" in message


def test_a_group_that_is_invalid_is_not_told_to_be_missing():
    invalid = {("MCPGroup", "team"): Problems.of(Problem("is an unknown key", loc=("spec", "x")))}
    objects = (build("VirtualMCPServer", "front"),)
    problems = render(build_resources("ns", objects, reads_secrets=False, invalid=invalid), "front", mode=Mode.CLUSTER)
    assert isinstance(problems, Problems)
    assert "MCPGroup 'team' is not valid" in str(problems)


@pytest.mark.scenario("I-8")
@pytest.mark.parametrize(
    ("maps", "reason"), [([], "CaBundleNotFound"), ([ConfigMap("ca", "ns", {"ca.crt": "no PEM"})], "CaBundleInvalid")]
)
def test_a_ca_bundle_of_a_token_endpoint_that_is_of_no_use_withholds_the_backend(maps, reason):
    bundle = {"configMapRef": {"name": "ca"}}
    shared = config(**strategy("clientCredentials", caBundleRef=bundle))
    result = rendered(build("MCPServerEntry", **OWN), shared, *maps)
    found, message = refused(result)
    assert found == reason
    assert message.startswith("MCPExternalAuthConfig/keys: spec.clientCredentials.caBundleRef.configMapRef")


def test_ca_bundles_and_networks_of_token_endpoints_are_told_to_the_proxy():
    idp = {**CLIENT, "tokenUrl": "http://idp.example.com/token", "insecureAllowHTTP": True}
    shared = config(
        **strategy(
            "identityAssertion",
            caBundleRef={"configMapRef": {"name": "ca"}},
            allowPrivateEndpoint=True,
            idp=idp,
        )
    )
    bundle = ConfigMap("ca", "ns", {"ca.crt": CA_CERTIFICATE})
    auth = shown(rendered(build("MCPServerEntry", **OWN), shared, bundle, PROVIDER, incomingAuth=OIDC, **ALLOWED))
    assert auth
    assertion = auth.identity_assertion
    assert (assertion.ca_bundle, assertion.network, assertion.insecure_allow_http) == (
        CA_CERTIFICATE,
        Network.PRIVATE,
        False,
    )
    assert (assertion.idp.ca_bundle, assertion.idp.network, assertion.idp.insecure_allow_http) == (
        None,
        Network.PUBLIC,
        True,
    )


@pytest.mark.scenario("I-9")
@pytest.mark.parametrize("header", ["Authorization", "Cookie", "X-Key"])
def test_relay_under_oidc_needs_the_name_of_the_backend_in_the_audience(header):
    entry = build("MCPServerEntry", **OWN)
    for of_all in ({}, {"audience": OIDC["oidcConfigRef"]["audience"]}):
        unnamed = config(**strategy("relay", headers=[header], **of_all))
        reason, message = refused(rendered(entry, unnamed, PROVIDER, incomingAuth=OIDC))
        assert reason == "RelayNotAllowed"
        assert "write in relay.audience how `aud` of their tokens names this backend alone" in message
    named = config(**strategy("relay", headers=[header], audience="files"))
    auth = shown(rendered(entry, named, PROVIDER, incomingAuth=OIDC, **ALLOWED))
    assert auth
    assert (auth.relay.headers, auth.relay.audience) == ((header,), "files")


def test_relay_for_anonymous_callers_warns_that_a_session_id_opens_the_headers():
    result = rendered(build("MCPServerEntry", **OWN), config(**strategy("relay")), **ALLOWED)
    assert [(problem.subject, problem.path) for problem in result.warnings] == [
        ("VirtualMCPServer/front", "spec.incomingAuth.type")
    ]


@pytest.mark.scenario("H-5")
def test_a_header_that_is_static_and_relayed_withholds_the_backend_and_is_named():
    entry = build("MCPServerEntry", headerForward={"addPlaintextHeaders": {"authorization": "x"}}, **OWN)
    reason, message = refused(rendered(entry, config(**strategy("relay")), **ALLOWED))
    assert reason == "HeaderCollision"
    assert "Authorization" in message


@pytest.mark.scenario("H-5")
def test_a_static_header_that_the_strategy_replaces_is_told():
    entry = build("MCPServerEntry", headerForward={"addPlaintextHeaders": {"authorization": "x"}}, **OWN)
    result = rendered(entry, config(**strategy("bearerToken")))
    assert shown(result)
    assert [(problem.subject, problem.path) for problem in result.warnings] == [
        ("MCPServerEntry/one", "spec.headerForward")
    ]


@pytest.mark.parametrize("kind", ["tokenExchange", "identityAssertion"])
def test_a_strategy_that_begins_with_the_callers_token_needs_callers_with_tokens(kind):
    reason, message = refused(rendered(build("MCPServerEntry", **OWN), config(**strategy(kind))))
    assert reason == "CallerTokenNeeded"
    assert "set incomingAuth.type of the VirtualMCPServer to oidc" in message


def test_the_full_name_of_a_token_type_is_understood():
    shared = config(
        type="tokenExchange", tokenExchange=EXCHANGE | {"subjectTokenType": "urn:ietf:params:oauth:token-type:jwt"}
    )
    auth = shown(rendered(build("MCPServerEntry", **OWN), shared, PROVIDER, incomingAuth=OIDC))
    assert auth
    assert auth.token_exchange.subject_token_type is TokenType.JWT


@pytest.mark.scenario("I-8")
@pytest.mark.parametrize(
    ("data", "reason"), [(None, "SecretNotFound"), ({}, "SecretNotFound"), ({"k": b"canary\nX: y"}, "SecretInvalid")]
)
def test_locally_a_secret_that_is_of_no_use_withholds_its_backend_and_is_named(data, reason):
    secrets = [] if data is None else [Secret("s", "ns", {key: SecretBytes(value) for key, value in data.items()})]
    shared = config(**strategy("bearerToken"))
    result = rendered(build("MCPServerEntry", **OWN), shared, *secrets, mode=Mode.LOCAL)
    found, message = refused(result)
    assert found == reason
    assert message.startswith("MCPExternalAuthConfig/keys: spec.bearerToken.tokenSecretRef")
    assert "canary" not in message


def test_locally_a_client_without_a_secret_in_its_secret_is_told():
    empty = Secret("s", "ns", {"k": SecretBytes(b"\n")})
    shared = config(**strategy("clientCredentials"))
    reason, message = refused(rendered(build("MCPServerEntry", **OWN), shared, empty, mode=Mode.LOCAL))
    assert reason == "SecretInvalid"
    assert "clientSecretRef.key: key 'k' of Secret 's' is empty; write the secret into it" in message
    idp = build("MCPOIDCConfig", "idp", inline={"issuer": "https://i", "clientId": "a", "clientSecretRef": SECRET})
    problems = render(team(idp, empty, incomingAuth=OIDC), "front", mode=Mode.LOCAL)
    assert "MCPOIDCConfig/idp: spec.inline.clientSecretRef.key: key 'k' of Secret 's' is empty" in str(problems)


def test_locally_the_secrets_of_a_strategy_stand_beside_the_config():
    secret = Secret("s", "ns", {"k": SecretBytes(b"canary\n")})
    result = rendered(build("MCPServerEntry", **OWN), config(**strategy("bearerToken")), secret, mode=Mode.LOCAL)
    assert set(result.secrets) == {("s", "k")}
    assert "canary" not in repr(result)


def test_a_program_on_this_machine_gets_no_headers_and_that_is_told():
    server = build("MCPServer", annotations={"vmcp.dev/local-command": "run"}, **OWN)
    secret = Secret("s", "ns", {"k": SecretBytes(b"x")})
    result = rendered(server, config(**strategy("bearerToken")), secret, mode=Mode.LOCAL)
    assert shown(result) is None
    assert "which gets no headers, so that bearerToken is left out" in str(result.warnings)
