{{- /* Labels of every object. */ -}}
{{- define "vmcp-operator-crds.labels" -}}
app.kubernetes.io/name: vmcp-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: crds
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
