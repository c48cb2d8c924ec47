{{- define "hiif.name" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end }}
{{- define "hiif.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "hiif.labels" -}}
{{ include "hiif.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "hiif.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (ternary (printf "%s-cuda" .Chart.AppVersion) .Chart.AppVersion .Values.gpu.enabled) }}
{{- end }}
{{- define "hiif.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end }}
{{- /* The secret with the tokens, the claim with the models; empty: none. */ -}}
{{- define "hiif.tokens" -}}
{{- if .Values.auth.secretName }}{{ .Values.auth.secretName }}{{ else if .Values.auth.tokens }}{{ include "hiif.name" . }}-tokens{{ end -}}
{{- end }}
{{- define "hiif.claim" -}}
{{- if .Values.models.existingClaim }}{{ .Values.models.existingClaim }}{{ else if .Values.models.claim.create }}{{ include "hiif.name" . }}-models{{ end -}}
{{- end }}
