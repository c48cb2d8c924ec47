{{- /* The init container that fetches checkpoints, with rclone: a changed file is replaced by rename, one that is the
same stays. Many pods may run it on one claim. */ -}}
{{- define "hiif.fetch" -}}
{{- $f := .Values.models.fetch }}
{{- $source := $f.source }}
- name: fetch-models
  image: {{ include "hiif.reference" $f.image | quote }}
  imagePullPolicy: {{ $f.image.pullPolicy }}
  command: [rclone]
  args:
    {{- if regexMatch "^https?://.*\\.safetensors$" $source }}
    - copyurl
    - {{ $source | quote }}
    - {{ printf "/models/%s" (base $source) | quote }}
    {{- else }}
    - copy
    {{- if hasPrefix "s3://" $source }}
    - {{ printf ":s3,env_auth=true:%s" (trimPrefix "s3://" $source) | quote }}
    {{- else if hasPrefix "gs://" $source }}
    - {{ printf ":gcs,env_auth=true:%s" (trimPrefix "gs://" $source) | quote }}
    {{- else if regexMatch "^https?://" $source }}
    - ":http:"
    - {{ printf "--http-url=%s" $source | quote }}
    {{- else }}
    - {{ $source | quote }}
    {{- end }}
    - /models
    - --include=*.safetensors
    {{- end }}
    - --config=
    - --retries=5
    - --log-level=INFO
    {{- range $f.arguments }}
    - {{ . | quote }}
    {{- end }}
  env:
    - { name: HOME, value: /tmp }
  {{- with $f.secretName }}
  envFrom:
    - secretRef: { name: {{ . | quote }} }
  {{- end }}
  resources: {{- toYaml $f.resources | nindent 4 }}
  securityContext: {{- include "hiif.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - name: models
      mountPath: /models
      {{- with .Values.models.subPath }}
      subPath: {{ . | quote }}
      {{- end }}
    - { name: tmp, mountPath: /tmp }
    {{- with $f.volumeMounts }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}

{{- /* The volume, without its name. */ -}}
{{- define "hiif.modelsVolume" -}}
{{- $from := include "hiif.modelsFrom" . }}
{{- if eq $from "claim" -}}
persistentVolumeClaim: { claimName: {{ include "hiif.claim" . | quote }}, readOnly: {{ empty .Values.models.fetch.source }} }
{{- else if eq $from "image" -}}
image: { reference: {{ .Values.models.image.reference | quote }}, pullPolicy: {{ .Values.models.image.pullPolicy }} }
{{- else -}}
emptyDir: { sizeLimit: {{ .Values.models.fetch.sizeLimit }} }
{{- end }}
{{- end }}
