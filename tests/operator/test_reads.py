"""What was read is what is depended on, for every kind."""

import copy
from dataclasses import replace

import pytest

from tests.operator.harness import Story, read_manifests
from tests.operator.manifests import ALL, GATEWAY_CONFIG, LIFECYCLE_SERVERS
from tests.support.certificates import CA_CERTIFICATE
from vmcp_api.kinds import KINDS
from vmcp_operator.errors import Unavailable
from vmcp_operator.plan import controllers
from vmcp_operator.plan.controllers import CONTROLLERS
from vmcp_operator.plan.kinds import (
    AUTHZ_CONFIG,
    COMPOSITE_TOOL,
    CONFIG_MAP,
    ENTRY,
    EXTERNAL_AUTH_CONFIG,
    GATEWAY_BINDING,
    MCP_GROUP,
    OIDC_CONFIG,
    OWN,
    RECONCILED,
    SERVER,
    TELEMETRY_CONFIG,
    TOOL_CONFIG,
    VMCP,
    Manifest,
    Ref,
    kind_of,
    ref_of,
)
from vmcp_operator.plan.objects.naming import labels
from vmcp_operator.watch import read_change
from vmcp_operator.watch.scope import Scope

KEYS = (
    Ref(VMCP, "default", "one"),
    Ref(MCP_GROUP, "default", "tools"),
    Ref(SERVER, "default", "files"),
    Ref(ENTRY, "default", "docs"),
    Ref(EXTERNAL_AUTH_CONFIG, "default", "keys"),
    Ref(OIDC_CONFIG, "default", "idp"),
    Ref(AUTHZ_CONFIG, "default", "policies"),
    Ref(TELEMETRY_CONFIG, "default", "otel"),
    Ref(TOOL_CONFIG, "default", "curated"),
    Ref(COMPOSITE_TOOL, "default", "report"),
    Ref(GATEWAY_BINDING, "default", "issues-gateway-binding"),
)


def everything() -> list[Manifest]:
    """A resource of each kind, and all that they may refer to."""
    manifests = read_manifests(ALL)
    by_kind = {each["kind"]: each for each in manifests}
    by_kind["MCPGroup"]["spec"] = {"allowGatewayBindings": True, "serverRefs": [{"name": "wiki"}]}
    by_kind["MCPServerEntry"]["spec"]["caBundleRef"] = {"configMapRef": {"name": "entry-ca"}}
    by_kind["VirtualMCPServer"]["spec"]["sessionStorage"] = {
        "provider": "redis",
        "address": "redis:6379",
        "tls": {"enabled": True, "caBundleRef": {"name": "store-ca", "key": "ca.crt"}},
    }
    trust = {"caBundleRef": {"configMapRef": {"name": "idp-ca"}}}
    by_kind["MCPOIDCConfig"]["spec"]["inline"] |= trust
    endpoint = {"tokenUrl": "https://idp.example.com/token", "audience": "files"}
    exchange = {**endpoint, "caBundleRef": {"configMapRef": {"name": "keys-ca"}}}
    by_kind["MCPExternalAuthConfig"]["spec"] = {"type": "tokenExchange", "tokenExchange": exchange}
    for member in ("MCPServer", "MCPServerEntry"):
        by_kind[member]["spec"]["externalAuthConfigRef"] = {"name": "keys"}
        by_kind[member]["spec"]["toolConfigRef"] = {"name": "curated"}
    by_kind["VirtualMCPServer"]["spec"]["incomingAuth"] = {
        "type": "oidc",
        "oidcConfigRef": {"name": "idp", "audience": "one"},
        "authzConfigRef": {"name": "policies"},
    }
    by_kind["VirtualMCPServer"]["spec"]["telemetryConfigRef"] = {"name": "otel"}
    by_kind["VirtualMCPServer"]["spec"]["config"] = {
        "compositeToolRefs": [{"name": "report"}],
        "aggregation": {"tools": [{"workload": "files", "toolConfigRef": {"name": "curated"}}]},
        "optimizer": {
            "embeddings": {
                "url": "https://embeddings.example.com/v1",
                "caBundleRef": {"configMapRef": {"name": "embeddings-ca"}},
            }
        },
    }
    by_kind["MCPTelemetryConfig"]["spec"]["openTelemetry"]["caBundleRef"] = {"configMapRef": {"name": "otel-ca"}}
    twin = copy.deepcopy(by_kind["MCPServer"])
    twin["metadata"]["name"] = "docs"
    bundles = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"},
            "data": {"ca.crt": CA_CERTIFICATE},
        }
        for name in ("entry-ca", "store-ca", "idp-ca", "keys-ca", "otel-ca", "embeddings-ca")
    ]
    others = [{**by_kind["MCPGroup"], "metadata": {"name": "others", "namespace": "default"}}]
    return [*manifests, *bundles, *others, twin, *read_manifests(LIFECYCLE_SERVERS + GATEWAY_CONFIG)]


def make(manifests: list[Manifest]) -> Story:
    story = Story()
    for each in manifests:
        story.cluster.put(each)
    return story


async def outcome(manifests: list[Manifest], key: Ref) -> tuple[Story, list[Manifest]]:
    """A story in which the key was reconciled, and what became of it."""
    story = make(manifests)
    await story.reconcile(key)
    written = [ref for verb, ref in story.cluster.writes if verb in ("apply", "status")]
    described = [copy.deepcopy(story.cluster.objects[ref]) for ref in written]
    for each in described:
        for made_up in ("uid", "resourceVersion", "ownerReferences", "annotations"):
            each["metadata"].pop(made_up, None)
    return story, described


def name_of(manifest: Manifest) -> str:
    return f"{kind_of(manifest)}/{manifest['metadata']['name']}"


@pytest.mark.parametrize("key", KEYS, ids=str)
async def test_whatever_changes_what_becomes_of_a_key_wakes_it_whether_it_comes_or_goes(key):
    """Asked of what becomes of the key, not of what the operator noted."""
    manifests = everything()
    decisive = set()
    with_all, whole = await outcome(manifests, key)
    for each in manifests:
        ref = ref_of({**each, "metadata": {"namespace": "default", **each["metadata"]}})
        if ref == key:
            continue
        without, partial = await outcome([other for other in manifests if other is not each], key)
        if partial == whole:
            continue
        decisive.add(name_of(each))
        change = read_change(ref.kind, with_all.cluster.objects[ref])
        assert key in with_all.woken_by(change), f"{ref} goes"
        assert key in without.woken_by(change), f"{ref} comes"
    assert decisive == EXPECTED[key.kind.name]


EXPECTED = {
    "VirtualMCPServer": {
        "MCPGroup/tools",
        "MCPServer/files",
        "MCPServer/docs",
        "MCPServerEntry/docs",
        "ConfigMap/store-ca",
        "ConfigMap/embeddings-ca",
        "MCPOIDCConfig/idp",
        "ConfigMap/idp-ca",
        "MCPAuthzConfig/policies",
        "MCPExternalAuthConfig/keys",
        "ConfigMap/keys-ca",
        "MCPTelemetryConfig/otel",
        "ConfigMap/otel-ca",
        "VirtualMCPCompositeToolDefinition/report",
        "MCPToolConfig/curated",
    },
    "MCPGroup": {
        "MCPServer/files",
        "MCPServer/docs",
        "MCPServerEntry/docs",
        "VirtualMCPServer/one",
        "MCPServer.mcp.x-k8s.io/wiki",
    },
    "MCPServer": {"MCPGroup/tools", "MCPExternalAuthConfig/keys", "ConfigMap/keys-ca", "MCPToolConfig/curated"},
    "MCPServerEntry": {"MCPGroup/tools", "MCPServer/docs"},
    "MCPExternalAuthConfig": {"MCPServer/files", "MCPServer/docs", "MCPServerEntry/docs", "ConfigMap/keys-ca"},
    "MCPOIDCConfig": {"VirtualMCPServer/one", "ConfigMap/idp-ca"},
    "MCPAuthzConfig": {"VirtualMCPServer/one"},
    "MCPTelemetryConfig": {"VirtualMCPServer/one", "ConfigMap/otel-ca"},
    "MCPToolConfig": {"VirtualMCPServer/one", "MCPServer/files", "MCPServer/docs", "MCPServerEntry/docs"},
    "VirtualMCPCompositeToolDefinition": {"VirtualMCPServer/one"},
    "MCPGatewayBinding": {
        "MCPServer.mcp.x-k8s.io/issues",
        "ConfigMap/gateway",
        "MCPGroup/tools",
        "VirtualMCPServer/one",
    },
}
"""What decides about a key of each kind: a guard that the question above is not asked of nothing."""


@pytest.mark.parametrize("key", KEYS, ids=str)
async def test_every_object_that_was_read_wakes_the_key_there_or_not(key):
    """Asked of what the API server was asked for, not of what the operator noted."""
    story = make([each for each in everything() if each["kind"] != "ConfigMap" and name_of(each) != "MCPServer/docs"])
    asked: set[Ref] = set()
    story.cluster.fail = lambda verb, ref: asked.add(ref) if verb in ("get", "list") else None
    await story.reconcile(key)
    asked.discard(key)
    assert asked
    for ref in asked:
        scope = Scope(stdio=True, lifecycle=True)
        if ref.kind in (*scope.kinds, *scope.optional):
            # One that a list would find is of the group, refers to the settings, or is a child.
            metadata = {"name": ref.name or "new", "namespace": ref.namespace}
            if not ref.name and key.kind.children:
                metadata["labels"] = labels(key)
            named = {"name": key.name}
            spec = {"groupRef": {"name": "tools"}, "externalAuthConfigRef": named, "telemetryConfigRef": named}
            spec["incomingAuth"] = {"oidcConfigRef": named, "authzConfigRef": named}
            spec["config"] = {"compositeToolRefs": [named], "aggregation": {"tools": [{"toolConfigRef": named}]}}
            spec["toolConfigRef"] = named
            spec["outgoingAuth"] = {"default": {"externalAuthConfigRef": named}}
            owner = {"apiVersion": key.kind.api_version, "kind": key.kind.name, "name": key.name}
            metadata["ownerReferences"] = [owner]
            manifest = {"metadata": metadata, "spec": spec}
            assert key in story.woken_by(read_change(ref.kind, manifest)), str(ref)


@pytest.mark.parametrize("key", KEYS[:2], ids=str)
async def test_a_member_that_moves_to_another_group_wakes_those_that_had_it(key):
    story, _ = await outcome(everything(), key)
    for member in (Ref(SERVER, "default", "files"), Ref(ENTRY, "default", "docs")):
        story.cluster.edit(member, lambda each: each["spec"].update(groupRef={"name": "others"}))
        assert key in story.woken_by(read_change(member.kind, story.cluster.objects[member]))


@pytest.mark.parametrize("key", KEYS[:2], ids=str)
async def test_an_api_server_that_cannot_select_by_group_is_told_no_other_status(key):
    selects = make(everything())
    lists_all = make(everything())
    lists_all.cluster.selects = False
    for story in (selects, lists_all):
        await story.reconcile(key)
    assert selects.status(key) == lists_all.status(key) != {}


async def test_the_ca_bundle_of_an_entry_wakes_the_entry_and_the_endpoint_that_serves_it():
    manifests = [each for each in everything() if name_of(each) != "MCPServer/docs"]
    bundle = Ref(CONFIG_MAP, "default", "entry-ca")
    for key in (Ref(ENTRY, "default", "docs"), Ref(VMCP, "default", "one")):
        story, _ = await outcome(manifests, key)
        assert story.woken_by(read_change(CONFIG_MAP, story.cluster.objects[bundle])) == {key}


async def test_a_key_whose_reads_failed_is_woken_by_what_it_had_read_until_then():
    story = make(everything())
    key = Ref(VMCP, "default", "one")

    def fail(verb: str, ref: Ref) -> None:
        if ref.kind is ENTRY:
            raise Unavailable(str(ref), 503, "later")

    story.cluster.fail = fail
    with pytest.raises(Unavailable):
        await story.reconcile(key)
    group = Ref(MCP_GROUP, "default", "tools")
    assert key in story.woken_by(read_change(MCP_GROUP, story.cluster.objects[group]))
    files = Ref(SERVER, "default", "files")
    assert key in story.woken_by(read_change(SERVER, story.cluster.objects[files]))


async def test_a_key_whose_plan_fails_is_woken_by_what_it_read(monkeypatch):
    def fail(_world):
        raise RuntimeError("odd")

    monkeypatch.setitem(controllers._BY_KIND, ENTRY, replace(controllers.controller_of(ENTRY), plan=fail))
    story, key = make(everything()), Ref(ENTRY, "default", "docs")
    with pytest.raises(RuntimeError):
        await story.reconcile(key)
    bundle = Ref(CONFIG_MAP, "default", "entry-ca")
    assert key in story.woken_by(read_change(CONFIG_MAP, story.cluster.objects[bundle]))


def test_every_kind_of_the_api_has_one_controller():
    kinds = [controller.kind for controller in CONTROLLERS]
    assert [key.kind for key in KEYS] == list(RECONCILED), "ask the questions of this file of each kind"
    assert sorted(map(str, kinds)) == sorted(map(str, RECONCILED)) == sorted([*KINDS, str(GATEWAY_BINDING)])
    assert {each.kind: each.status_type for each in CONTROLLERS if each.kind in OWN} == {
        kind: KINDS[kind.name].model_fields["status"].annotation.__args__[0] for kind in OWN
    }
