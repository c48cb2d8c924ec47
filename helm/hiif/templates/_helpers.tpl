{{- define "hiif.app" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end }}
{{- define "hiif.name" -}}
{{- .Values.fullnameOverride | default (printf "%s-%s" .Release.Name (include "hiif.app" .)) | trunc 52 | trimSuffix "-" -}}
{{- end }}
{{- define "hiif.selector" -}}
app.kubernetes.io/name: {{ include "hiif.app" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}
{{- define "hiif.labels" -}}
{{ include "hiif.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "hiif.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "hiif.name" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{- /* repository:tag, or repository@digest. */ -}}
{{- define "hiif.reference" -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end -}}
{{- end }}
{{- define "hiif.image" -}}
{{- $tag := .Values.image.tag | default (ternary (printf "%s-cuda" .Chart.AppVersion) .Chart.AppVersion .Values.gpu.enabled) }}
{{- include "hiif.reference" (dict "repository" .Values.image.repository "tag" $tag "digest" .Values.image.digest) -}}
{{- end }}
{{- /* Of the batch: never the cuda one. */ -}}
{{- define "hiif.batchImage" -}}
{{- $own := .Values.batch.image }}
{{- $server := ternary (dict "tag" "" "digest" "") .Values.image .Values.gpu.enabled }}
{{- $digest := $own.digest | default (ternary "" $server.digest (ne $own.tag "")) }}
{{- include "hiif.reference" (dict "repository" ($own.repository | default .Values.image.repository) "tag" ($own.tag | default $server.tag | default .Chart.AppVersion) "digest" $digest) -}}
{{- end }}

{{- /* Security contexts without what is null, and on OpenShift without ids. */ -}}
{{- define "hiif.openshift" -}}
{{- if eq (toString .Values.openshift) "auto" }}{{ if .Capabilities.APIVersions.Has "security.openshift.io/v1" }}true{{ end }}{{ else if .Values.openshift }}true{{ end -}}
{{- end }}
{{- define "hiif.podSecurity" -}}
{{- $context := .Values.podSecurityContext | default dict }}
{{- if include "hiif.openshift" . }}{{ $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}{{ end }}
{{- toYaml $context -}}
{{- end }}
{{- /* Of the pods that listen: some container runtimes let root alone have ports below 1024. */ -}}
{{- define "hiif.serverSecurity" -}}
{{- $context := include "hiif.podSecurity" . | fromYaml }}
{{- $lowest := min .Values.service.port .Values.service.managementPort (.Values.http.port | default 1024) }}
{{- $sysctl := dict "name" "net.ipv4.ip_unprivileged_port_start" "value" "0" }}
{{- if and (lt $lowest 1024) (not (contains $sysctl.name (toJson $context.sysctls))) }}
{{- $_ := set $context "sysctls" (append ($context.sysctls | default list) $sysctl) }}
{{- end }}
{{- toYaml $context -}}
{{- end }}
{{- define "hiif.containerSecurity" -}}
{{- toYaml (.Values.securityContext | default dict) -}}
{{- end }}

{{- /* What every pod of the chart has, besides its security context. */ -}}
{{- define "hiif.podCommon" -}}
serviceAccountName: {{ include "hiif.serviceAccount" . | quote }}
automountServiceAccountToken: {{ .Values.serviceAccount.automountToken }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The secret with the tokens, the claim with the models; empty: none. */ -}}
{{- define "hiif.tokens" -}}
{{- if .Values.auth.secretName }}{{ .Values.auth.secretName }}{{ else if .Values.auth.tokens }}{{ include "hiif.name" . }}-tokens{{ end -}}
{{- end }}
{{- /* Access mode and class of a claim cannot be changed: another claim has another name, and is filled anew. */ -}}
{{- define "hiif.claim" -}}
{{- if .Values.models.existingClaim }}{{ .Values.models.existingClaim }}
{{- else if .Values.models.claim.create }}
{{- $c := .Values.models.claim }}
{{- printf "%s-models-%s" (include "hiif.name" .) (printf "%s/%s" $c.accessMode $c.storageClassName | sha256sum | trunc 8) -}}
{{- end -}}
{{- end }}
{{- /* Where /models comes from: "", claim, image or folder (of the pod). */ -}}
{{- define "hiif.modelsFrom" -}}
{{- if include "hiif.claim" . }}claim{{ else if .Values.models.image.reference }}image{{ else if .Values.models.fetch.source }}folder{{ end -}}
{{- end }}
