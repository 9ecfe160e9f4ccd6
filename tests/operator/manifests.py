"""Resources that the stories of these tests are about."""

VMCP = """
apiVersion: vmcp.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: one, namespace: default}
spec:
  groupRef: {name: tools}
  incomingAuth: {type: anonymous}
"""

GROUP = """
---
apiVersion: vmcp.dev/v1beta1
kind: MCPGroup
metadata: {name: tools, namespace: default}
"""

SERVER = """
---
apiVersion: vmcp.dev/v1beta1
kind: MCPServer
metadata: {name: files, namespace: default}
spec:
  image: registry.test/files:1
  groupRef: {name: tools}
"""

ENTRY = """
---
apiVersion: vmcp.dev/v1beta1
kind: MCPServerEntry
metadata: {name: docs, namespace: default}
spec:
  remoteUrl: https://docs.example.com/mcp
  transport: streamable-http
  groupRef: {name: tools}
"""

ENTRY_WITH_SECRET = """
---
apiVersion: vmcp.dev/v1beta1
kind: MCPServerEntry
metadata: {name: billing, namespace: default}
spec:
  remoteUrl: https://billing.example.com/mcp
  transport: streamable-http
  groupRef: {name: tools}
  headerForward:
    addHeadersFromSecret:
      - headerName: X-Api-Key
        valueSecretRef: {name: billing, key: api-key}
"""

AUTH_CONFIGS = """
---
apiVersion: vmcp.dev/v1beta1
kind: MCPExternalAuthConfig
metadata: {name: keys, namespace: default}
spec:
  type: bearerToken
  bearerToken:
    tokenSecretRef: {name: keys, key: token}
---
apiVersion: vmcp.dev/v1beta1
kind: MCPOIDCConfig
metadata: {name: idp, namespace: default}
spec:
  type: inline
  inline: {issuer: "https://idp.example.com"}
---
apiVersion: vmcp.dev/v1beta1
kind: MCPAuthzConfig
metadata: {name: policies, namespace: default}
spec:
  config:
    policies: ["permit(principal, action, resource);"]
"""

TELEMETRY = """
---
apiVersion: vmcp.dev/v1beta1
kind: MCPTelemetryConfig
metadata: {name: otel, namespace: default}
spec:
  openTelemetry:
    enabled: true
    endpoint: https://collector.example.com:4318
    sensitiveHeaders: [{name: X-Api-Key, secretKeyRef: {name: collector, key: token}}]
    resourceAttributes: {deployment.environment: test}
    tracing: {enabled: true, samplingRate: "0.1"}
"""

COMPOSITE_TOOL = """
---
apiVersion: vmcp.dev/v1beta1
kind: VirtualMCPCompositeToolDefinition
metadata: {name: report, namespace: default}
spec:
  name: write_report
  description: Writes a report.
  steps: [{id: read, tool: files.read}]
"""

TOOL_CONFIG = """
---
apiVersion: vmcp.dev/v1beta1
kind: MCPToolConfig
metadata: {name: curated, namespace: default}
spec:
  toolsFilter: [read, list]
  toolsOverride: {read: {name: read_file}}
"""

LIFECYCLE_SERVERS = """
---
apiVersion: mcp.x-k8s.io/v1alpha1
kind: MCPServer
metadata: {name: issues, namespace: default}
spec:
  source: {type: ContainerImage, containerImage: {ref: "registry.test/issues:1"}}
  config: {port: 9000, path: /rpc}
  gateway: {provider: vmcp, configRef: gateway}
status: {serviceName: issues, address: {url: "https://gateway.example.com/mcp"}}
---
apiVersion: mcp.x-k8s.io/v1alpha1
kind: MCPGatewayBinding
metadata: {name: issues-gateway-binding, namespace: default}
spec: {mcpServerRef: issues, provider: vmcp, configRef: gateway}
---
apiVersion: mcp.x-k8s.io/v1alpha1
kind: MCPServer
metadata: {name: wiki, namespace: default}
spec:
  source: {type: ContainerImage, containerImage: {ref: "registry.test/wiki:1"}}
  config: {port: 8080}
status: {serviceName: wiki}
"""

GATEWAY_CONFIG = """
---
apiVersion: v1
kind: ConfigMap
metadata: {name: gateway, namespace: default}
data: {group: tools}
"""

ALL = VMCP + GROUP + SERVER + ENTRY + AUTH_CONFIGS + TELEMETRY + TOOL_CONFIG + COMPOSITE_TOOL
