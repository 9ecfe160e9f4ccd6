"""Manifests for ToolHive, converted: a real API server takes them, and they serve what they served."""

import pytest

from e2e.images.catalog import BACKENDS
from e2e.support.clients import call, connected, tool_names
from vmcp_api.convert.convert import convert
from vmcp_api.convert.yaml_out import to_yaml
from vmcp_api.manifests.documents import Source

TOOLHIVE = f"""
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: MCPGroup
metadata: {{name: team, finalizers: [toolhive.stacklok.dev/group]}}
spec: {{description: What the team uses}}
status: {{phase: Ready}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPToolConfig
metadata: {{name: curated}}
spec:
  toolsFilter: [sum]
  toolsOverride: {{add: {{name: sum, description: Adds two numbers.}}}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata: {{name: notes}}
spec:
  image: {BACKENDS.name}
  args: [notes]
  transport: streamable-http
  proxyPort: 9000
  mcpPort: 8080
  groupRef: {{name: team}}
  toolConfigRef: {{name: curated}}
  serviceAccount: default
  resources: {{requests: {{cpu: 10m, memory: 32Mi}}}}
  audit: {{enabled: true}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPRemoteProxy
metadata: {{name: remote}}
spec:
  remoteUrl: http://mcp-notes.NAMESPACE.svc:8080/mcp
  allowPrivateEndpoint: true
  proxyPort: 8080
  groupRef: {{name: team}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {{name: team}}
spec:
  groupRef: {{name: team}}
  incomingAuth:
    type: anonymous
    authzConfig: {{type: inline, inline: {{policies: ["permit(principal, action, resource);"]}}}}
  passthroughHeaders: [X-Tenant, Authorization]
  config:
    name: team
    operational: {{failureHandling: {{healthCheckInterval: 1s, unhealthyThreshold: 1, statusReportingInterval: 5s}}}}
    aggregation: {{conflictResolution: prefix, conflictResolutionConfig: {{prefixFormat: "{{workload}}_"}}}}
    codeMode: {{enabled: true}}
"""


@pytest.mark.scenario("K-17")
async def test_converted_manifests_apply_and_serve_what_the_filters_and_names_of_toolhive_say(kube):
    conversion = convert([Source("toolhive.yaml", TOOLHIVE.replace("NAMESPACE", kube.namespace))])
    assert not conversion.problems
    lost = {
        str(each.path[-1]) for one in conversion.objects for each in one.fields if each.fate == "lost" and each.path
    }
    assert lost == {"enabled", "1"}, "the audit of the server, code mode, and Authorization for all"
    kube.kubectl("apply", "--filename=-", stdin=to_yaml(conversion.results))
    ready = kube.until_phase("virtualmcpserver/team", "Ready")
    async with connected(ready["status"]["url"]) as (client, _):
        names = await tool_names(client)
        assert [name for name in names if name.startswith("notes_")] == ["notes_sum"]
        assert "remote_add" in names
        assert await call(client, "notes_sum", a=40, b=2) == "42"
