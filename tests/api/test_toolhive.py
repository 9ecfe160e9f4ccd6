"""What users of ToolHive write: the key or kind that is unknown here is answered by what to do instead."""

from collections.abc import Iterator

import pytest

from tests.api.manifests import problems_of
from vmcp_api.generate.schema import Schema, build_schema
from vmcp_api.kinds import KINDS
from vmcp_api.manifests import toolhive
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.render.policies import CedarFile

OIDC = {"type": "inline", "inline": {"issuer": "https://idp.example.com"}}
POLICIES = {"policies": ["permit(principal, action, resource);"]}


def objects_of(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every object of a schema by its model."""
    if "x-model" in schema:
        yield schema["x-model"], schema.get("properties", {})
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for part in inner:
        if isinstance(part, dict):
            yield from objects_of(part)


KNOWN = dict(pair for model in (*KINDS.values(), CedarFile) for pair in objects_of(build_schema(model)))


@pytest.mark.parametrize(
    ("kind", "spec", "path", "remedy"),
    [
        ("MCPServer", {"proxyPort": 8080}, "spec.proxyPort", "the port of the server itself is mcpPort"),
        ("MCPServer", {"targetPort": 8080}, "spec.targetPort", "write mcpPort"),
        ("MCPServer", {"oidcConfigRef": {"name": "a"}}, "spec.oidcConfigRef", "spec.incomingAuth of the VirtualMCP"),
        ("MCPServer", {"toolsFilter": ["a"]}, "spec.toolsFilter", "write an MCPToolConfig"),
        ("VirtualMCPServer", {"authServerConfig": {}}, "spec.authServerConfig", "describe yours in an MCPOIDCConfig"),
        ("VirtualMCPServer", {"config": {"groupRef": "a"}}, "spec.config.groupRef", "write spec.groupRef: {name: …}"),
        (
            "VirtualMCPServer",
            {"incomingAuth": {"type": "anonymous", "authzConfig": {"inline": POLICIES, "groupClaimName": "g"}}},
            "spec.incomingAuth.authzConfig.groupClaimName",
            "write groupClaims: [NAME]",
        ),
        (
            "MCPAuthzConfig",
            {"config": {**POLICIES, "group_claim_name": "g"}},
            "spec.config.group_claim_name",
            "in spec",
        ),
        ("MCPAuthzConfig", {"type": "httpv1"}, "spec.type", "write cedarv1: policies are Cedar here"),
        ("MCPExternalAuthConfig", {"type": "xaa"}, "spec.type", "write identityAssertion"),
        ("MCPExternalAuthConfig", {"xaa": {}}, "spec.xaa", "write identityAssertion"),
        ("VirtualMCPServer", {"config": {"telemetry": {}}}, "spec.config.telemetry", "spec.telemetryConfigRef"),
        ("MCPOIDCConfig", {"type": "kubernetesServiceAccount"}, "spec.type", "write inline with the cluster's issuer"),
        ("MCPOIDCConfig", {"inline": OIDC["inline"] | {"audience": "a"}}, "spec.inline.audience", "oidcConfigRef"),
    ],
)
def test_a_key_of_toolhive_is_answered_by_what_to_do_here(kind, spec, path, remedy):
    (problem,) = problems_of(kind, **spec)
    assert problem.path == path
    assert remedy in problem.remedy


def test_what_stays_valid_and_comes_to_mean_something_else_is_told_while_it_is_taken_over():
    text = (
        "apiVersion: {group}/v1beta1\nkind: VirtualMCPServer\nmetadata: {{name: a}}\nspec:\n  groupRef: {{name: g}}\n"
        "  incomingAuth:\n    type: oidc\n    oidcConfigRef:\n      name: i\n      audience: a\n"
        "      scopes: [openid]\n"
        "    authzConfig:\n      inline: {{policies: ['permit(principal in THVGroup::\"a\", action, resource);']}}\n"
    )
    told = load([Source("m.yaml", text.format(group="toolhive.stacklok.dev"))]).problems.warnings
    assert [(each.line, each.path) for each in told] == [
        (11, "spec.incomingAuth.oidcConfigRef.scopes"),
        (12, "spec.incomingAuth.authzConfig"),
    ]
    assert "write those that a token need not have as scopesSupported" in str(told)
    assert not load([Source("m.yaml", text.format(group="vmcp.dev"))]).problems.warnings
    anonymous = text.format(group="toolhive.stacklok.dev").replace("type: oidc", "type: anonymous")
    assert "groupClaims" not in str(load([Source("m.yaml", anonymous)]).problems.warnings)


@pytest.mark.parametrize(("value", "count"), [("true", 1), ("false", 0)])
def test_attributes_that_dashboards_may_look_for_are_told_of(value, count):
    text = (
        "apiVersion: toolhive.stacklok.dev/v1beta1\nkind: MCPTelemetryConfig\nmetadata: {name: a}\n"
        f"spec: {{openTelemetry: {{enabled: true, endpoint: 'otel:4318', useLegacyAttributes: {value},"
        " tracing: {enabled: true}}}\n"
    )
    loaded = load([Source("m.yaml", text)])
    assert [each.path for each in loaded.problems.errors] == ["apiVersion"]
    assert [each.path for each in loaded.problems.warnings] == ["spec.openTelemetry.useLegacyAttributes"] * count


def test_the_table_is_about_keys_and_kinds_that_are_unknown_here():
    assert toolhive.KEYS.keys() <= KNOWN.keys()
    taken = {(model, key) for model, keys in toolhive.KEYS.items() for key in keys if key in KNOWN[model]}
    assert not taken
    assert not toolhive.KINDS.keys() & KINDS.keys()
