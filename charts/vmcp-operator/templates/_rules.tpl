{{- /* What the operator may do in a namespace: what it does, and nothing else (docs/reference/rbac.md). It cannot read Secrets. */ -}}
{{- define "vmcp-operator.rules" -}}
- apiGroups: [vmcp.dev]
  resources:
    - virtualmcpservers
    - mcpgroups
    - mcpservers
    - mcpserverentries
    - mcpexternalauthconfigs
    - mcpoidcconfigs
    - mcpauthzconfigs
    - mcptelemetryconfigs
    - mcptoolconfigs
    - virtualmcpcompositetooldefinitions
  verbs: [get, list, watch]
- apiGroups: [vmcp.dev]
  resources:
    - virtualmcpservers/status
    - mcpgroups/status
    - mcpservers/status
    - mcpserverentries/status
    - mcpexternalauthconfigs/status
    - mcpoidcconfigs/status
    - mcpauthzconfigs/status
    - mcptelemetryconfigs/status
    - mcptoolconfigs/status
    - virtualmcpcompositetooldefinitions/status
  verbs: [patch]
# Clusters that enforce permissions of owner references want this for references that block deletion.
- apiGroups: [vmcp.dev]
  resources: [virtualmcpservers/finalizers, mcpservers/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
# Patched is an annotation, which makes the kubelet refresh a pod's volumes at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- if .Values.mcpLifecycle.enabled }}
- apiGroups: [mcp.x-k8s.io]
  resources: [mcpservers, mcpgatewaybindings]
  verbs: [get, list, watch]
- apiGroups: [mcp.x-k8s.io]
  resources: [mcpgatewaybindings/status]
  verbs: [patch]
- apiGroups: [mcp.x-k8s.io]
  resources: [mcpgatewaybindings/finalizers]
  verbs: [update]
# A server of another operator is in a group as an entry.
- apiGroups: [vmcp.dev]
  resources: [mcpserverentries]
  verbs: [create, patch, delete]
- apiGroups: [vmcp.dev]
  resources: [mcpgroups/finalizers]
  verbs: [update]
{{- end }}
{{- if .Values.stdio.enabled }}
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
# Held to be granted: each bridge gets both for the one pod of its server, and the operator itself uses neither (ADR-0058).
- apiGroups: [""]
  resources: [pods/attach]
  verbs: [create, get]
- apiGroups: [""]
  resources: [pods]
  verbs: [delete]
{{- end }}
{{- end }}
