"""Manifests of `v1alpha1` in the shapes that earlier releases of ToolHive took (up to 0.20)."""

import pytest

from tests.api.convert.manifests import changed, converted, lost, only, theirs
from vmcp_api.convert.report import subject_of

pytestmark = pytest.mark.scenario("K-17")

ALPHA = "toolhive.stacklok.dev/v1alpha1"


def older(kind, name="one", /, **spec):
    return theirs(kind, name, version=ALPHA, **spec)


def older_endpoint(**spec):
    return older("VirtualMCPServer", **{"config": {"groupRef": "tools"}, "incomingAuth": {"type": "anonymous"}, **spec})


def test_a_group_that_is_the_name_itself_and_an_older_url_are_kept_and_told_as_changed():
    for kind, own in (
        ("MCPServer", {"image": "i", "transport": "sse"}),
        ("MCPServerEntry", {"remoteURL": "https://a.example.com/mcp", "transport": "sse"}),
        ("MCPRemoteProxy", {"remoteURL": "https://a.example.com/mcp", "port": 8080}),
    ):
        result, told = only(older(kind, groupRef="tools", **own))
        assert result["spec"]["groupRef"] == {"name": "tools"}
        assert changed(told)["spec.groupRef"] == "spec.groupRef.name"
        if "remoteURL" in own:
            assert result["spec"]["remoteUrl"] == "https://a.example.com/mcp"
            assert changed(told)["spec.remoteURL"] == "spec.remoteUrl"
        assert lost(told) == {}
    result, told = only(older("MCPServer", image="i", groupRef=""))
    assert "groupRef" not in result["spec"]
    assert lost(told) == {}
    result, _ = only(older_endpoint())
    assert result["spec"]["groupRef"] == {"name": "tools"}


def test_a_server_whose_proxy_asked_for_tokens_is_taken_out_of_an_older_group_too():
    outcome = converted(
        older_endpoint(),
        older("MCPServer", "files", image="i", groupRef="tools", oidcConfig={"type": "kubernetes"}),
        older("MCPRemoteProxy", "docs", remoteURL="https://a/mcp", groupRef="tools", oidcConfig={"type": "kubernetes"}),
    )
    _, server, entry = outcome.objects
    assert "groupRef" not in server.results[0]["spec"]
    assert entry.results[0]["spec"]["groupRef"] == {"name": "docs-group"}
    assert subject_of(entry.results[1]) == "MCPGroup/docs-group"
    for told in (server, entry):
        assert "then write groupRef again" in lost(told)["spec.groupRef"]


def test_the_older_port_of_a_proxy_is_not_taken_for_that_of_the_server():
    result, told = only(older("MCPServer", image="i", transport="sse", port=9999))
    assert result["spec"] == {"image": "i", "transport": "sse"}, "which listens on 8080, in ToolHive as here"
    assert changed(told)["spec.port"] is None
    result, told = only(older("MCPServer", image="i", transport="sse", port=9999, targetPort=9000))
    assert result["spec"]["mcpPort"] == 9000
    assert changed(told)["spec.targetPort"] == "spec.mcpPort"


def test_telemetry_and_caches_say_what_there_is_for_them():
    telemetry = {"openTelemetry": {"enabled": True}}
    remedy = "write an MCPTelemetryConfig, and its name in "
    _, told = only(older("MCPServer", image="i", telemetry=telemetry))
    assert f"{remedy}spec.telemetryConfigRef" in lost(told)["spec.telemetry.openTelemetry.enabled"]
    _, told = only(older("MCPRemoteProxy", remoteURL="https://a/mcp", groupRef="tools", telemetry=telemetry))
    assert f"{remedy}spec.telemetryConfigRef" in lost(told)["spec.telemetry.openTelemetry.enabled"]
    _, told = only(older_endpoint(telemetry=telemetry, tokenCache={"provider": "memory"}))
    assert f"{remedy}telemetryConfigRef" in lost(told)["spec.telemetry.openTelemetry.enabled"]
    assert "cached without being told to" in lost(told)["spec.tokenCache.provider"]


def test_a_strategy_by_reference_was_spelled_otherwise():
    old = {"type": "external_auth_config_ref", "externalAuthConfigRef": {"name": "a"}}
    result, told = only(older_endpoint(outgoingAuth={"default": old, "backends": {"files": old}}))
    new = {"type": "externalAuthConfigRef", "externalAuthConfigRef": {"name": "a"}}
    assert result["spec"]["outgoingAuth"] == {"default": new, "backends": {"files": new}}
    assert lost(told) == {}


def test_what_is_lost_besides_is_told_of_an_endpoint_that_is_left_out():
    result, told = only(
        older_endpoint(
            config={"groupRef": "tools", "codeMode": {"enabled": True}},
            passthroughHeaders=["Authorization"],
            outgoingAuth={"backends": {"files": {"type": "upstreamInject", "upstreamInject": {"providerName": "a"}}}},
        )
    )
    assert result == {}
    said = lost(told)
    assert "is left out: spec.outgoingAuth.backends.files.type: " in said["metadata.name"]
    assert "describe your provider in an MCPOIDCConfig, and write tokenExchange" in said["metadata.name"]
    assert "tokenExchange" in said["spec.outgoingAuth.backends.files.type"]
    assert "there is no code mode here" in said["spec.config.codeMode.enabled"]
    assert "relay" in said["spec.passthroughHeaders[0]"]


def test_a_provider_that_an_endpoint_describes_itself_becomes_a_resource_of_its_own():
    inline = {
        "issuer": "https://idp.example.com",
        "audience": "a",
        "clientId": "c",
        "jwksUrl": "",
        "scopes": ["openid"],
        "jwksAllowPrivateIP": True,
        "clientSecret": "s3cret",
    }
    own = {"type": "inline", "resourceUrl": "https://mcp.example.com/mcp", "inline": inline}
    outcome = converted(
        older_endpoint(incomingAuth={"type": "oidc", "oidcConfig": own}),
        older("MCPServer", "files", image="i", groupRef="tools", oidcConfig=own),
    )
    told, server = outcome.objects
    vmcp, config = told.results
    assert vmcp["spec"]["incomingAuth"] == {
        "type": "oidc",
        "oidcConfigRef": {
            "name": "one-oidc",
            "audience": "a",
            "scopesSupported": ["openid"],
            "resourceUrl": "https://mcp.example.com/mcp",
        },
    }
    assert (subject_of(config), config["metadata"]["namespace"]) == ("MCPOIDCConfig/one-oidc", "ns")
    assert config["spec"] == {
        "type": "inline",
        "inline": {"issuer": "https://idp.example.com", "clientId": "c", "jwksAllowPrivateIP": True},
    }
    assert set(lost(told)) == {"spec.incomingAuth.oidcConfig.inline.clientSecret"}
    assert "s3cret" not in str(told.describe())
    assert server.results[0]["spec"]["groupRef"] == {"name": "tools"}, "the endpoint asks for tokens too"


def test_the_cluster_as_the_provider_that_an_endpoint_describes_itself_is_one_like_any_other():
    own = {"type": "kubernetes", "kubernetes": {"serviceAccount": "robot", "useClusterAuth": True}}
    (told,) = converted(older_endpoint(incomingAuth={"type": "oidc", "oidcConfig": own})).objects
    vmcp, config = told.results
    assert vmcp["spec"]["incomingAuth"]["oidcConfigRef"] == {"name": "one-oidc", "audience": "toolhive"}
    assert config["spec"]["inline"]["issuer"] == "https://kubernetes.default.svc"
    assert config["spec"]["inline"]["caBundleRef"]["configMapRef"]["name"] == "kube-root-ca.crt"
    assert set(lost(told)) == {"spec.incomingAuth.oidcConfig.kubernetes.serviceAccount"}


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"type": "configMap", "configMap": {"name": "c"}}, "oidcConfigRef: is required for type oidc"),
        ({"type": "inline", "inline": {"audience": "a"}}, "is required in spec.incomingAuth.oidcConfig"),
    ],
)
def test_a_provider_that_cannot_be_converted_leaves_its_endpoint_out(own, says):
    outcome = converted(older_endpoint(incomingAuth={"type": "oidc", "oidcConfig": own}))
    assert outcome.results == ()
    assert says in lost(outcome.objects[0])["metadata.name"]
