{{- /* What a schema cannot say: refused with the reason. */ -}}
{{- define "hiif.checks" -}}
{{- $delay := .Values.config.shutdown_delay | default "10s" | trimSuffix "s" | int }}
{{- $finish := .Values.config.shutdown_grace | default "120s" | trimSuffix "s" | int }}
{{- if le (int .Values.terminationGracePeriodSeconds) (add $delay $finish | int) }}
{{- fail (printf "terminationGracePeriodSeconds: %v must be above config.shutdown_delay and config.shutdown_grace together, %v s" .Values.terminationGracePeriodSeconds (add $delay $finish)) }}
{{- end }}
{{- $a := .Values.autoscaling }}
{{- if gt (int $a.minReplicas) (int $a.maxReplicas) }}
{{- fail (printf "autoscaling.minReplicas: %v is above autoscaling.maxReplicas, %v" $a.minReplicas $a.maxReplicas) }}
{{- end }}
{{- $m := .Values.models }}
{{- if and $m.claim.create (not $m.fetch.source) }}
{{- fail "models.claim.create: set models.fetch.source, which fills the claim; one that you fill yourself is models.existingClaim" }}
{{- end }}
{{- if and $m.image.reference (or $m.existingClaim $m.claim.create $m.fetch.source) }}
{{- fail "models.image.reference: leave models.existingClaim, models.claim and models.fetch empty, the image is mounted in their place" }}
{{- end }}
{{- $most := ternary (int .Values.replicas) (int $a.maxReplicas) (eq $a.mode "none") }}
{{- if and $m.claim.create (eq $m.claim.accessMode "ReadWriteOnce") (gt $most 1) }}
{{- fail "models.claim.accessMode: ReadWriteOnce is mounted by one node at a time: use ReadWriteMany, leave models.claim.create off (each pod then fetches for itself), or have one replica" }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.parentRefs) }}
{{- fail "gateway.parentRefs: name the Gateway" }}
{{- end }}
{{- if and .Values.gateway.tlsPassthrough (not (and .Values.gateway.hostnames .Values.tls.secretName)) }}
{{- fail "gateway.tlsPassthrough: needs gateway.hostnames, by which the Gateway chooses, and tls.secretName, since the pods end TLS" }}
{{- end }}
{{- if and .Values.gateway.enabled .Values.tls.secretName (not (or .Values.gateway.tlsPassthrough .Values.gateway.backendTLSPolicy)) }}
{{- fail "gateway.backendTLSPolicy: with tls.secretName the Gateway must speak TLS to the pods: bring a BackendTLSPolicy for the Service and set this to true, or set gateway.tlsPassthrough, or leave tls.secretName empty" }}
{{- end }}
{{- if hasKey .Values.config "http_listen" }}
{{- fail "config.http_listen: set http.port, which opens the port in the Service and the NetworkPolicy too" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) $m.fetch.source }}
{{- range prepend $m.fetch.arguments $m.fetch.source }}
{{- if and (regexMatch "^(--[a-z0-9-]+=)?(http://|https://[^/]*:[0-9]+(/|$))" .) (not (regexMatch "://[^/]*:443(/|$)" .)) }}
{{- fail (printf "networkPolicy.egress: without it the pods reach port 443 alone, and models.fetch has %s: name that port and 53 (names) there" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.gpu.deviceClassName .Values.gpu.existingClaimTemplate }}
{{- fail "gpu.deviceClassName, gpu.existingClaimTemplate: give one" }}
{{- end }}
{{- end }}
