"""Rendering of who may come in and what they may do; what is broken of it is told apart from the rest."""

import json

import pytest

from tests.api.manifests import build, team
from tests.support.certificates import CA_CERTIFICATE
from vmcp_api.config import Network
from vmcp_api.kinds.foreign.core import ConfigMap, Secret
from vmcp_api.manifests.problems import Problems
from vmcp_api.render import Mode, Rendered, Unguarded, render, render_parts
from vmcp_api.secret import SecretBytes
from vmcp_api.spec.authorization import PolicyMode
from vmcp_api.spec.incoming import IncomingAuthType

PERMIT = "permit (principal, action, resource);"
BROKEN = f'{PERMIT}\n\n@id("mine")\nforbid (principal, action);'
OIDC = {"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": "vmcp", "scopes": ["mcp:read"]}}


def provider(**inline):
    return build("MCPOIDCConfig", "idp", inline={"issuer": "https://idp.example.com", **inline})


def guarded(*objects, mode: Mode = Mode.CLUSTER, **incoming) -> Rendered:
    auth = {"type": "anonymous", **incoming}
    resources = team(*objects, reads_secrets=mode is Mode.LOCAL, incomingAuth=auth)
    result = render_parts(resources, "front", mode=mode)
    assert isinstance(result, Rendered), str(getattr(result, "problems", result))
    return result


def unguarded(*objects, **incoming) -> Unguarded:
    auth = {"type": "anonymous", **incoming}
    resources = team(*objects, build("MCPServerEntry"), reads_secrets=False, incomingAuth=auth)
    result = render_parts(resources, "front", mode=Mode.CLUSTER)
    assert isinstance(result, Unguarded), str(result)
    return result


def test_a_provider_becomes_what_a_proxy_needs_to_verify_tokens():
    bundle = ConfigMap("ca", "ns", {"ca.crt": CA_CERTIFICATE})
    idp = provider(
        jwksUrl="https://idp.example.com/keys",
        clientId="proxy",
        clientSecretRef={"name": "s", "key": "k"},
        caBundleRef={"configMapRef": {"name": "ca"}},
    )
    incoming = guarded(idp, bundle, **OIDC).config.incoming_auth
    assert incoming.type is IncomingAuthType.OIDC
    oidc = incoming.oidc
    assert oidc
    assert (oidc.issuer, oidc.jwks_url, oidc.audience, oidc.scopes) == (
        "https://idp.example.com",
        "https://idp.example.com/keys",
        "vmcp",
        ("mcp:read",),
    )
    assert (oidc.ca_bundle, oidc.client_id, oidc.client_secret_ref.name) == (CA_CERTIFICATE, "proxy", "s")


@pytest.mark.parametrize(
    ("inline", "mode", "network", "is_plain"),
    [
        ({}, Mode.CLUSTER, Network.PUBLIC, False),
        ({"jwksAllowPrivateIP": True}, Mode.CLUSTER, Network.PRIVATE, False),
        ({"protectedResourceAllowPrivateIP": True}, Mode.CLUSTER, Network.PRIVATE, False),
        ({"issuer": "http://idp.example.com", "insecureAllowHTTP": True}, Mode.CLUSTER, Network.PUBLIC, True),
        ({"issuer": "http://localhost:8080/realms/a"}, Mode.LOCAL, Network.LOCAL, True),
        ({}, Mode.LOCAL, Network.LOCAL, False),
    ],
)
def test_a_provider_is_reached_only_at_addresses_of_its_network(inline, mode, network, is_plain):
    oidc = guarded(provider(**inline), mode=mode, **OIDC).config.incoming_auth.oidc
    assert oidc
    assert (oidc.network, oidc.insecure_allow_http) == (network, is_plain)


def test_locally_the_secret_of_the_provider_has_to_be_there():
    resources = team(provider(clientId="a", clientSecretRef={"name": "s", "key": "k"}), incomingAuth=OIDC)
    problems = render(resources, "front", mode=Mode.LOCAL)
    assert isinstance(problems, Problems)
    assert "MCPOIDCConfig/idp: spec.inline.clientSecretRef.name: Secret 's' does not exist" in str(problems)
    secret = Secret("s", "ns", {"k": SecretBytes(b"canary")})
    idp = provider(clientId="a", clientSecretRef={"name": "s", "key": "k"})
    result = guarded(idp, secret, mode=Mode.LOCAL, **OIDC)
    assert set(result.secrets) == {("s", "k")}


JSON_FORM = json.dumps({"version": "1.0", "type": "cedarv1", "cedar": {"policies": [PERMIT], "entities_json": "[]"}})


YAML_FORM = f"# of the office\n---\nversion: '1.0'\ntype: cedarv1\ncedar:\n  policies:\n    - |\n      {PERMIT}\n"


@pytest.mark.parametrize(
    "text",
    [
        PERMIT,
        f"// office hours\n{PERMIT}\n",
        JSON_FORM,
        f"\n {JSON_FORM}",
        YAML_FORM,
        f"cedar: {{policies: ['{PERMIT}']}}",
        " " * 40 + PERMIT,
    ],
)
def test_policies_of_a_config_map_may_be_cedar_json_or_yaml(text):
    authz = {"configMap": {"name": "policies"}, "mode": "Shadow", "groupClaims": ["roles"]}
    authorization = guarded(ConfigMap("policies", "ns", {"authz.json": text}), authzConfig=authz).config.authorization
    assert authorization
    assert PERMIT in authorization.policies[0]
    assert (authorization.mode, authorization.group_claims) == (PolicyMode.SHADOW, ("roles",))


def test_shared_policies_are_the_same_as_policies_of_ones_own():
    entities = json.dumps([{"uid": {"type": "Group", "id": "eng"}, "attrs": {}, "parents": []}])
    shared = build("MCPAuthzConfig", "policies", config={"policies": [PERMIT], "entities_json": entities})
    own = {"inline": {"policies": [PERMIT], "entitiesJson": entities}}
    by_reference = guarded(shared, authzConfigRef={"name": "policies"}).config.authorization
    assert by_reference == guarded(authzConfig=own).config.authorization
    assert by_reference
    assert by_reference.entities_json == entities


def test_without_policies_a_config_says_nothing_of_them():
    assert guarded().config.authorization is None


@pytest.mark.scenario("Z-4")
@pytest.mark.parametrize(
    ("authz", "objects", "said"),
    [
        (
            {"authzConfig": {"inline": {"policies": [PERMIT, BROKEN]}}},
            [],
            "VirtualMCPServer/front: spec.incomingAuth.authzConfig.inline.policies[1]: line 3: is no Cedar: ",
        ),
        (
            {"authzConfig": {"inline": {"policies": [PERMIT], "entitiesJson": "{}"}}},
            [],
            "spec.incomingAuth.authzConfig.inline.entitiesJson: is no list",
        ),
        (
            {"authzConfig": {"configMap": {"name": "policies"}}},
            [],
            "spec.incomingAuth.authzConfig.configMap.name: ConfigMap 'policies' does not exist",
        ),
        *(
            (
                {"authzConfig": {"configMap": {"name": "policies"}}},
                [ConfigMap("policies", "ns", {"authz.json": text})],
                said,
            )
            for text, said in (
                (BROKEN, "ConfigMap/policies: data['authz.json']: line 3: is no Cedar"),
                (
                    json.dumps({"cedar": {"policies": [PERMIT, BROKEN]}}),
                    "data['authz.json']: cedar.policies[1]: line 3: is no Cedar",
                ),
                ("", "holds no policy"),
                ("// permit (principal, action, resource);", "holds no policy"),
                ("{", "is no JSON"),
                ('{"cedar": {"policies": []}}', "cedar.policies: must have at least 1 entry; write"),
                (
                    '{"cedar": {"policies": ["x"], "group_claim_name": "g"}}',
                    "cedar.group_claim_name: is an unknown key; write groupClaims: [NAME]",
                ),
                ("version: 1.0\ncedar: {policies: [x]}", "data['authz.json']: version: must be text"),
                ("cedar:\n  policies: [", "is no YAML"),
                ("cedar:\n  policies: [x]\n---\ncedar: {}", "holds several documents"),
                (f"cedar:\n  policies: ['{PERMIT}', permit]", "cedar.policies[1]: line 1: is no Cedar"),
                ('{"type": "httpv1", "cedar": {"policies": ["x"]}}', "type: is not one of the allowed values"),
            )
        ),
        (
            {"authzConfigRef": {"name": "policies"}},
            [],
            "spec.incomingAuth.authzConfigRef.name: MCPAuthzConfig 'policies' does not exist",
        ),
        (
            {"authzConfigRef": {"name": "policies"}},
            [build("MCPAuthzConfig", "policies", config={"policies": [BROKEN]})],
            "MCPAuthzConfig/policies: spec.config.policies[0]: line 3: is no Cedar",
        ),
    ],
)
def test_policies_that_cannot_be_read_are_named_with_their_place(authz, objects, said):
    result = unguarded(*objects, **authz)
    assert said in str(result.authorization)
    assert not result.incoming
    assert all(problem.remedy for problem in result.problems)


@pytest.mark.scenario("K-19")
@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([], "spec.incomingAuth.oidcConfigRef.name: MCPOIDCConfig 'idp' does not exist"),
        (
            [provider(caBundleRef={"configMapRef": {"name": "ca"}})],
            "MCPOIDCConfig/idp: spec.inline.caBundleRef.configMapRef.name: ConfigMap 'ca' does not exist",
        ),
    ],
)
def test_a_provider_that_cannot_be_used_is_told_apart_from_the_rest(objects, said):
    result = unguarded(*objects, **OIDC)
    assert said in str(result.incoming)
    assert not result.authorization
    assert [backend.name for backend in result.rest.config.backends] == ["one"]


@pytest.mark.scenario("K-19", "Z-4")
def test_what_was_in_force_goes_on_over_all_else_that_is_new():
    live = guarded(provider(), authzConfig={"inline": {"policies": [PERMIT]}}, **OIDC).config
    result = unguarded(authzConfig={"inline": {"policies": [BROKEN]}})
    config = result.guarded_by(live).config
    assert (config.incoming_auth, config.authorization) == (live.incoming_auth, live.authorization)
    assert [backend.name for backend in config.backends] == ["one"]


def test_a_rendering_that_lacks_its_guard_lets_nobody_do_anything_if_it_is_served_by_mistake():
    rest = unguarded(**OIDC).rest.config
    assert rest.authorization
    assert rest.authorization.policies == ("forbid (principal, action, resource);",)


def test_locally_what_is_broken_of_it_is_an_error():
    resources = team(incomingAuth={"type": "anonymous", "authzConfig": {"inline": {"policies": [BROKEN]}}})
    problems = render(resources, "front", mode=Mode.LOCAL)
    assert isinstance(problems, Problems)
    assert problems.errors
