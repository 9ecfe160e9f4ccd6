{{- /* Name of every object: the release's, with the chart's where that says more. */ -}}
{{- define "vmcp-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- /* Labels that never change. NetworkPolicies of proxies let the operator in by the first one. */ -}}
{{- define "vmcp-operator.selectorLabels" -}}
app.kubernetes.io/name: vmcp-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end }}

{{- /* Labels of an object; takes a list of the root and of labels of its own. */ -}}
{{- define "vmcp-operator.labels" -}}
{{- $root := first . -}}
{{- $chart := printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 -}}
{{- $release := dict "app.kubernetes.io/managed-by" $root.Release.Service "app.kubernetes.io/version" $root.Chart.AppVersion "helm.sh/chart" $chart -}}
{{- $selector := include "vmcp-operator.selectorLabels" $root | fromYaml -}}
{{- toYaml (merge $selector $release (last .) $root.Values.commonLabels) -}}
{{- end }}

{{- /* Name of the operator's ServiceAccount. */ -}}
{{- define "vmcp-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "vmcp-operator.fullname" .) -}}
{{- else if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else -}}
{{- fail "serviceAccount.name is empty: name the ServiceAccount that exists already, or set serviceAccount.create=true" -}}
{{- end -}}
{{- end }}

{{- /* An image; takes a dict of `image`, `path` (where it stands in the values) and `version`. */ -}}
{{- define "vmcp-operator.image" -}}
{{- if not .image.repository -}}
{{- fail (printf "%s.repository is empty: name the repository that holds the image, e.g. --set %s.repository=REGISTRY/NAME" .path .path) -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .version) -}}
{{- end -}}
{{- end }}

{{- /* The namespaces of scope `namespace`, by commas; nothing in scope `cluster`. */ -}}
{{- define "vmcp-operator.namespaces" -}}
{{- if eq .Values.rbac.scope "namespace" -}}
{{- join "," (.Values.rbac.namespaces | default (list .Release.Namespace)) -}}
{{- else if .Values.rbac.namespaces -}}
{{- fail "rbac.namespaces has no effect with rbac.scope=cluster: leave it empty, or set rbac.scope=namespace" -}}
{{- end -}}
{{- end }}

{{- /* What goes over the operator's own template of proxies' pods, as JSON; nothing where nothing is set. */ -}}
{{- define "vmcp-operator.proxyTemplate" -}}
{{- $metadata := dict -}}
{{- with .Values.proxy.podLabels }}{{- $_ := set $metadata "labels" . }}{{- end -}}
{{- with .Values.proxy.podAnnotations }}{{- $_ := set $metadata "annotations" . }}{{- end -}}
{{- $spec := dict -}}
{{- $container := dict -}}
{{- with .Values.proxy.resources }}{{- $_ := set $container "resources" . }}{{- end -}}
{{- with .Values.proxy.extraEnv }}{{- $_ := set $container "env" . }}{{- end -}}
{{- with .Values.proxy.startupProbe }}{{- $_ := set $container "startupProbe" . }}{{- end -}}
{{- with .Values.proxy.livenessProbe }}{{- $_ := set $container "livenessProbe" . }}{{- end -}}
{{- with .Values.proxy.readinessProbe }}{{- $_ := set $container "readinessProbe" . }}{{- end -}}
{{- with $container }}{{- $_ := set $spec "containers" (list (merge (dict "name" "vmcp") .)) }}{{- end -}}
{{- with .Values.proxy.imagePullSecrets }}{{- $_ := set $spec "imagePullSecrets" . }}{{- end -}}
{{- with .Values.proxy.nodeSelector }}{{- $_ := set $spec "nodeSelector" . }}{{- end -}}
{{- with .Values.proxy.tolerations }}{{- $_ := set $spec "tolerations" . }}{{- end -}}
{{- with .Values.proxy.affinity }}{{- $_ := set $spec "affinity" . }}{{- end -}}
{{- with .Values.proxy.topologySpreadConstraints }}{{- $_ := set $spec "topologySpreadConstraints" . }}{{- end -}}
{{- with .Values.proxy.runtimeClassName }}{{- $_ := set $spec "runtimeClassName" . }}{{- end -}}
{{- with .Values.proxy.dnsConfig }}{{- $_ := set $spec "dnsConfig" . }}{{- end -}}
{{- with .Values.proxy.priorityClassName }}{{- $_ := set $spec "priorityClassName" . }}{{- end -}}
{{- $template := dict -}}
{{- with $metadata }}{{- $_ := set $template "metadata" . }}{{- end -}}
{{- with $spec }}{{- $_ := set $template "spec" . }}{{- end -}}
{{- with $template }}{{- toJson . }}{{- end -}}
{{- end }}

{{- /* Name of the Lease. Whoever works in the whole cluster uses one name, so that two of them meet in a shared namespace. */ -}}
{{- define "vmcp-operator.leaseName" -}}
{{- $own := ternary "vmcp-operator" (include "vmcp-operator.fullname" .) (eq .Values.rbac.scope "cluster") -}}
{{- .Values.leaderElection.name | default $own -}}
{{- end }}

{{- /* Name of what says that a release works here. It is the same in every release: helm refuses a second one. */ -}}
{{- define "vmcp-operator.claim" -}}
vmcp-operator-claim
{{- end }}
