"""What of each kind is kept, changed and lost, in words that say what to do."""

import pytest

from tests.api.convert.manifests import added, changed, converted, endpoint, lost, only, theirs
from vmcp_api.convert.report import subject_of

pytestmark = pytest.mark.scenario("K-17")


@pytest.mark.parametrize("version", ["toolhive.stacklok.dev/v1beta1", "toolhive.stacklok.dev/v1alpha1"])
def test_a_manifest_that_says_nothing_else_changes_in_one_line(version):
    result, told = only(theirs("MCPGroup", "team", version=version, description="All of us"))
    assert result == {**theirs("MCPGroup", "team", description="All of us"), "apiVersion": "vmcp.dev/v1beta1"}
    assert (changed(told), lost(told), added(told)) == ({}, {}, [])


def test_a_server_keeps_its_pods_and_loses_its_proxy():
    result, told = only(
        theirs(
            "MCPServer",
            image="example.com/files:1",
            transport="sse",
            proxyPort=8080,
            targetPort=9000,
            replicas=3,
            backendReplicas=2,
            serviceAccount="reader",
            permissionProfile={"type": "builtin", "name": "network"},
            volumes=[{"name": "data", "hostPath": "/srv", "mountPath": "/data", "readOnly": True}],
            podTemplateSpec={"spec": {"containers": [{"name": "mcp", "tty": False}]}},
            resourceOverrides={"proxyDeployment": {"imagePullSecrets": [{"name": "pull"}], "labels": {"a": "b"}}},
            audit={"enabled": True},
            webhookConfigRef={"name": "hooks"},
        )
    )
    assert result["spec"] == {
        "image": "example.com/files:1",
        "transport": "sse",
        "mcpPort": 9000,
        "replicas": 2,
        "podTemplateSpec": {
            "spec": {
                "containers": [
                    {
                        "name": "mcp",
                        "tty": False,
                        "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
                    }
                ],
                "serviceAccountName": "reader",
                "imagePullSecrets": [{"name": "pull"}],
                "volumes": [{"name": "data", "hostPath": {"path": "/srv"}}],
            }
        },
    }
    went = changed(told)
    assert went["spec.proxyPort"] is None
    assert went["spec.targetPort"] == "spec.mcpPort"
    assert went["spec.backendReplicas"] == "spec.replicas"
    assert went["spec.volumes[0].hostPath"] == "spec.podTemplateSpec.spec.volumes[0]"
    said = lost(told)
    assert "podTemplateSpec" in said["spec.resourceOverrides.proxyDeployment.labels.a"]
    assert said["spec.audit.enabled"].endswith("move it to spec.config.audit of the VirtualMCPServer")
    assert "there are no webhooks here" in said["spec.webhookConfigRef.name"]


def test_a_stdio_server_says_what_it_needs_here_and_keeps_one_process():
    spec = {"transport": "stdio", "proxyMode": "sse", "proxyPort": 8080, "targetPort": 9000, "backendReplicas": 3}
    result, told = only(theirs("MCPServer", image="example.com/notes:1", **spec))
    assert result["spec"] == {"image": "example.com/notes:1", "transport": "stdio", "replicas": 1}
    said = {each["path"]: each["why"] for each in told.describe()["fields"]}
    assert "stdio.enabled=true" in said["spec.transport"]
    assert "a bridge speaks Streamable HTTP" in said["spec.proxyMode"]
    assert "listens on no port" in said["spec.targetPort"]
    assert "one process" in said["spec.backendReplicas"]
    assert lost(told) == {}
    _, told = only(theirs("MCPServer", image="example.com/notes:1"))
    assert "stdio.enabled=true" in next(
        each["why"] for each in told.describe()["fields"] if each["to"] == "spec.transport"
    )


def test_defaults_that_are_others_here_are_written():
    result, told = only(theirs("MCPServer", image="example.com/files:1"))
    assert result["spec"]["transport"] == "stdio"
    assert added(told) == ["spec.transport"]
    operational = {"failureHandling": {"unhealthyThreshold": 2}, "timeouts": {"perWorkload": {"a": "5s"}}}
    result, told = only(endpoint(config={"operational": operational, "audit": {"enabled": True}}))
    config = result["spec"]["config"]
    assert config["operational"]["failureHandling"]["partialFailureMode"] == "fail"
    assert config["operational"]["timeouts"]["default"] == "30s"
    assert config["audit"]["maxDataSize"] == 1024


def test_a_remote_proxy_becomes_an_entry_with_a_group_and_its_losses_are_listed():
    outcome = converted(
        theirs(
            "MCPRemoteProxy",
            "docs",
            remoteUrl="https://docs.example.com/mcp",
            oidcConfigRef={"name": "idp", "audience": "docs"},
            toolConfigRef={"name": "curated"},
            headerForward={"addPlaintextHeaders": {"X-Tenant": "a"}},
            resources={"limits": {"cpu": "1"}},
            telemetryConfigRef={"name": "otel"},
        )
    )
    (told,) = outcome.objects
    entry, group = told.results
    assert subject_of(entry) == "MCPServerEntry/docs"
    assert entry["spec"] == {
        "remoteUrl": "https://docs.example.com/mcp",
        "toolConfigRef": {"name": "curated"},
        "headerForward": {"addPlaintextHeaders": {"X-Tenant": "a"}},
        "transport": "streamable-http",
        "groupRef": {"name": "docs-group"},
    }
    assert subject_of(group) == "MCPGroup/docs-group"
    said = lost(told)
    assert "move it to spec.incomingAuth of the VirtualMCPServer" in said["spec.oidcConfigRef.audience"]
    assert "move it to spec of the VirtualMCPServer" in said["spec.telemetryConfigRef.name"]
    assert changed(told)["spec.resources.limits.cpu"] is None


def test_the_callers_own_credentials_are_not_passed_to_all_backends_and_relay_is_the_remedy():
    result, told = only(endpoint(passthroughHeaders=["X-Tenant", "Authorization", "X-Team"]))
    assert result["spec"]["passthroughHeaders"] == ["X-Tenant", "X-Team"]
    assert "relay" in lost(told)["spec.passthroughHeaders[1]"]


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        ({"config": {"codeMode": {"enabled": True}}}, "spec.config.codeMode.enabled", "there is no code mode here"),
        ({"authServerConfig": {"issuer": "https://a"}}, "spec.authServerConfig.issuer", "no authorization server in"),
        ({"config": {"backends": [{"name": "a"}]}}, "spec.config.backends[0].name", "write an MCPServerEntry for each"),
        ({"config": {"metadata": {"a": "b"}}}, "spec.config.metadata.a", "use labels and annotations"),
        ({"replicas": 2}, "spec.replicas", "set sessionStorage.provider to redis"),
        (
            {"config": {"audit": {"maxDelegationDepth": 3}}},
            "spec.config.audit.maxDelegationDepth",
            "issuer and subject",
        ),
        ({"surprise": {"a": 1}}, "spec.surprise.a", "there is no such setting here"),
    ],
)
def test_what_an_endpoint_asks_for_in_vain_has_its_sentence(spec, path, words):
    result, told = only(endpoint(**spec))
    assert result, "the rest is converted"
    assert words in lost(told)[path]
    assert list(lost(told)) == [path]


@pytest.mark.parametrize("kind", ["embeddedAuthServer", "awsSts", "upstreamInject", "obo", "xaa"])
def test_a_strategy_that_there_is_not_is_left_out_with_a_remedy(kind):
    result, told = only(theirs("MCPExternalAuthConfig", type=kind, **{kind: {"a": "b"}}))
    assert result == {}
    words = lost(told)[f"spec.{kind}.a"]
    assert f"there is no strategy {kind}, and servers that refer to it are not served; " in words


@pytest.mark.parametrize("kind", ["EmbeddingServer", "MCPRegistry", "MCPWebhookConfig", "MCPNovelty"])
def test_a_kind_that_there_is_not_is_left_out_with_a_remedy(kind):
    result, told = only(theirs(kind, model="m"))
    assert result == {}
    assert f"is left out: there is no kind {kind} here; " in lost(told)["spec.model"]
    assert set(lost(told)) == {"apiVersion", "kind", "metadata.name", "metadata.namespace", "spec.model"}


def test_settings_that_stand_elsewhere_are_moved():
    result, told = only(
        endpoint(
            incomingAuth={
                "type": "oidc",
                "oidcConfigRef": {"name": "idp", "audience": "a", "scopes": ["openid"]},
                "authzConfig": {
                    "type": "inline",
                    "groupClaimName": "teams",
                    "roleClaimName": "realm_access.roles",
                    "groupEntityType": "THVGroup",
                    "inline": {"policies": ["permit(principal, action, resource);"]},
                },
            },
            compositeToolRefs=[{"name": "report"}],
            config={
                "name": "one",
                "passthroughHeaders": ["X-Tenant"],
                "incomingAuth": {"type": "anonymous"},
                "operational": {"failureHandling": {"statusReportingInterval": "1m"}},
                "audit": {"component": "c", "logFile": "/var/log/a.log"},
            },
        )
    )
    spec = result["spec"]
    assert spec["passthroughHeaders"] == ["X-Tenant"]
    assert spec["incomingAuth"]["oidcConfigRef"] == {"name": "idp", "audience": "a", "scopesSupported": ["openid"]}
    assert spec["incomingAuth"]["authzConfig"]["groupClaims"] == ["teams", "realm_access.roles"]
    assert spec["config"]["compositeToolRefs"] == [{"name": "report"}]
    assert spec["config"]["audit"] == {"path": "/var/log/a.log", "sink": "file"}
    assert "incomingAuth" not in spec["config"]
    assert lost(told) == {}


def test_the_own_reference_of_a_server_counts_with_source_inline_as_it_does_there():
    result, told = only(endpoint(outgoingAuth={"source": "inline"}))
    assert result["spec"]["outgoingAuth"] == {"source": "inline", "default": {"type": "discovered"}}
    assert added(told) == ["spec.outgoingAuth.default.type"]
    _, told = only(endpoint(outgoingAuth={"source": "inline", "default": {"type": "discovered"}}))
    assert added(told) == []


def test_groups_are_taken_from_the_claims_that_toolhive_takes_them_from():
    policies = ['permit(principal in THVGroup::"admins", action, resource);']
    result, told = only(theirs("MCPAuthzConfig", type="cedarv1", config={"policies": policies}))
    assert result["spec"]["groupClaims"] == ["groups", "roles", "cognito:groups"]
    assert added(told) == ["spec.groupClaims"]
    result, told = only(
        theirs("MCPAuthzConfig", type="cedarv1", config={"policies": policies, "group_claim_name": "teams"})
    )
    assert result["spec"]["groupClaims"] == ["teams"]
    result, _ = only(
        theirs("MCPAuthzConfig", type="cedarv1", config={"policies": ["permit(principal, action, resource);"]})
    )
    assert "groupClaims" not in result["spec"]


def test_the_cluster_as_a_provider_is_described_like_any_other():
    result, told = only(
        theirs("MCPOIDCConfig", type="kubernetesServiceAccount", kubernetesServiceAccount={"serviceAccount": "robot"})
    )
    assert result["spec"] == {
        "type": "inline",
        "inline": {
            "issuer": "https://kubernetes.default.svc",
            "jwksAllowPrivateIP": True,
            "caBundleRef": {"configMapRef": {"name": "kube-root-ca.crt", "key": "ca.crt"}},
        },
    }
    assert "write a policy on the claim sub" in lost(told)["spec.kubernetesServiceAccount.serviceAccount"]


def test_old_spellings_of_a_token_exchange_are_understood():
    old = {"token_url": "https://idp.example.com/token", "client_id": "c", "scope": "read write", "audience": "a"}
    result, told = only(theirs("MCPExternalAuthConfig", type="tokenExchange", tokenExchange=old))
    assert result["spec"]["tokenExchange"] == {
        "audience": "a",
        "tokenUrl": "https://idp.example.com/token",
        "clientId": "c",
        "scopes": ["read", "write"],
    }
    assert lost(told) == {}


def test_telemetry_of_an_endpoint_becomes_a_resource_of_its_own():
    own = {
        "endpoint": "https://otel.example.com:4318",
        "tracingEnabled": True,
        "samplingRate": "0.1",
        "serviceName": "s",
    }
    outcome = converted(endpoint(config={"telemetry": own}))
    (told,) = outcome.objects
    vmcp, config = told.results
    assert vmcp["spec"]["telemetryConfigRef"] == {"name": "one-telemetry", "serviceName": "s"}
    assert config["spec"] == {
        "openTelemetry": {
            "enabled": True,
            "endpoint": "https://otel.example.com:4318",
            "tracing": {"enabled": True, "samplingRate": "0.1"},
        }
    }
    _, told = only(endpoint(config={"telemetry": {"endpoint": "no place", "tracingEnabled": True}}))
    assert set(lost(told)) == {"spec.config.telemetry.endpoint", "spec.config.telemetry.tracingEnabled"}


def test_hosts_that_get_tokens_of_callers_are_named_at_the_endpoint_that_serves_them():
    exchange = {"tokenUrl": "https://sts.example.com/token", "audience": "a"}
    outcome = converted(
        theirs("MCPExternalAuthConfig", "swap", type="tokenExchange", tokenExchange=exchange),
        theirs(
            "MCPExternalAuthConfig",
            "other",
            type="tokenExchange",
            tokenExchange={**exchange, "tokenUrl": "https://x/t"},
        ),
        theirs("MCPServer", "files", image="i", groupRef={"name": "team"}, externalAuthConfigRef={"name": "swap"}),
        endpoint(incomingAuth={"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": "a"}}),
    )
    vmcp = outcome.results[-1]
    assert vmcp["spec"]["outgoingAuth"] == {"allowedTokenHosts": ["sts.example.com"]}
    assert added(outcome.objects[-1]) == ["spec.outgoingAuth.allowedTokenHosts"]


def test_types_of_audit_events_are_called_as_they_are_here_and_no_more_is_left_out_than_was():
    result, told = only(
        endpoint(
            config={
                "audit": {
                    "eventTypes": ["mcp_tool_call", "mcp_tools_list", "sse_connection", "http_request"],
                    "excludeEventTypes": ["mcp_ping", "mcp_tools_list", "mcp_request"],
                }
            }
        )
    )
    assert result["spec"]["config"]["audit"] == {
        "eventTypes": ["mcp_tool_call", "mcp_list", "mcp_stream"],
        "excludeEventTypes": ["mcp_ping", "mcp_other"],
    }
    said = lost(told)
    assert "no event is of this type here" in said["spec.config.audit.eventTypes[3]"]
    assert "write mcp_list if all of it may be left out" in said["spec.config.audit.excludeEventTypes[1]"]


OIDC = {"type": "oidc", "oidcConfigRef": {"name": "idp", "audience": "a"}}
POLICIES = {"authzConfig": {"inline": {"policies": ["permit(principal, action, resource);"]}}}


@pytest.mark.parametrize(
    ("guard", "incoming", "is_served"),
    [
        ({}, {"type": "anonymous"}, True),
        ({"oidcConfigRef": {"name": "idp", "audience": "b"}}, {"type": "anonymous"}, False),
        ({"oidcConfigRef": {"name": "idp", "audience": "b"}}, OIDC, True),
        ({"oidcConfigRef": {"name": "idp", "audience": "b"}}, None, False),
        ({"authzConfigRef": {"name": "p"}}, OIDC, False),
        ({"authzConfigRef": {"name": "p"}}, OIDC | POLICIES, True),
        ({"webhookConfigRef": {"name": "w"}}, {"type": "anonymous"}, False),
        ({"authServerRef": {"kind": "MCPExternalAuthConfig", "name": "p"}}, {"type": "anonymous"}, False),
    ],
)
@pytest.mark.parametrize("kind", ["MCPServer", "MCPRemoteProxy"])
def test_what_a_proxy_kept_from_callers_is_not_served_to_them_by_an_endpoint(kind, guard, incoming, is_served):
    own = {"image": "i"} if kind == "MCPServer" else {"remoteUrl": "https://a.example.com/mcp"}
    member = theirs(kind, "files", groupRef={"name": "team"}, **own, **guard)
    outcome = converted(*([endpoint(incomingAuth=incoming)] if incoming else []), member)
    (told,) = (each for each in outcome.objects if each.subject.startswith(kind))
    group = told.results[0]["spec"].get("groupRef")
    assert (group == {"name": "team"}) == is_served
    if not is_served:
        assert group == (None if kind == "MCPServer" else {"name": "files-group"})
        assert "then write groupRef again" in lost(told)["spec.groupRef.name"]
        assert "which not all endpoints of the group do here" in lost(told)["spec.groupRef.name"]


@pytest.mark.parametrize("key", ["tools", "toolsFilter"])
@pytest.mark.parametrize("kind", ["MCPServer", "MCPRemoteProxy"])
def test_a_filter_that_older_manifests_write_into_the_server_is_not_lost(kind, key):
    own = (
        {"image": "i"} if kind == "MCPServer" else {"remoteUrl": "https://a.example.com/mcp", "groupRef": {"name": "g"}}
    )
    (told,) = converted(theirs(kind, "files", **own, **{key: ["read"]})).objects
    server, config = told.results
    assert server["spec"]["toolConfigRef"] == {"name": "files-tools"}
    assert (subject_of(config), config["spec"]) == ("MCPToolConfig/files-tools", {"toolsFilter": ["read"]})
    assert lost(told) == {}
    result, told = only(theirs(kind, "files", **own, **{key: [""]}))
    assert result == {}
    result, told = only(theirs(kind, "files", **own, **{key: ["read"], "toolConfigRef": {"name": "curated"}}))
    assert result["spec"]["toolConfigRef"] == {"name": "curated"}


def test_what_older_manifests_write_beside_config_is_not_lost():
    tools = [{"workload": "files", "filter": ["read"]}]
    result, told = only(endpoint(aggregation={"tools": tools}, operational={"timeouts": {"default": "5s"}}))
    assert result["spec"]["config"] == {
        "aggregation": {"tools": tools},
        "operational": {"timeouts": {"default": "5s"}},
    }
    assert lost(told) == {}
