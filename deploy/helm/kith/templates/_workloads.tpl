{{/* Where the gateway says that it lives, and that it is ready, if not where the services do. */}}
{{- define "kith.gateway.probes" -}}
{{- if eq .Values.gateway.kind "hive-router" -}}
live: /health
ready: /readiness
{{- end }}
{{- end -}}

{{/*
Everything that runs for good: an API and a worker of each service, and the gateway. Each is a form of the same fields,
and each kind of object (Deployment, Service, PodDisruptionBudget, …) is one template that goes through them.
*/}}
{{- define "kith.workloads" -}}
{{- $root := . -}}
workloads:
{{- range $service, $given := .Values.services }}
  - name: {{ $service }}-api
    service: {{ $service }}
    role: api
    # The verb of the image's command.
    args: [api]
    # The ConfigMaps that its environment is of.
    maps: [{{ $service }}]
    # Secrets that are mounted as files, by the name of their folder in /etc/kith.
    files: {{ include "kith.postgres.files" (list $root $service) | fromYaml | toJson }}
    probePort: http
    # Whether it is asked by others: then it has a Service, and leaves it before it stops.
    serves: true
    graceSeconds: {{ $root.Values.pods.shutdownSeconds }}
    given: {{ mergeOverwrite (deepCopy $root.Values.workloads.api) $given.api | toJson }}
  - name: {{ $service }}-worker
    service: {{ $service }}
    role: worker
    args: [worker]
    # Whose worker asks other services, and as which client.
    {{- $asks := get (dict "analytics" "reconciliation" "sales" "processes") $service }}
    {{- $client := and $asks (get $root.Values $asks).clientSecret }}
    {{- $files := merge (include "kith.postgres.files" (list $root $service) | fromYaml) (include "kith.kafka.files" $root | fromYaml) }}
    maps: [{{ $service }}, kafka{{ if $client }}, {{ $asks }}{{ end }}]
    files: {{ merge $files (ternary (dict $asks $client) dict (not (empty $client))) | toJson }}
    # A worker shows its probes on the port of its metrics alone.
    probePort: metrics
    serves: false
    graceSeconds: {{ $root.Values.pods.shutdownSeconds }}
    given: {{ mergeOverwrite (deepCopy $root.Values.workloads.worker) $given.worker | toJson }}
{{- end }}
  - name: gateway
    service: gateway
    role: gateway
    args: []
    maps: [gateway]
    files: {}
    probePort: http
    serves: true
    {{- if eq .Values.gateway.kind "hive-router" }}
    image: router
    documents: {{ .Values.gateway.documents }}
    {{- include "kith.gateway.probes" . | nindent 4 }}
    # It waits so long for answers that are under way; subscriptions it breaks off at once.
    graceSeconds: 30
    {{- else }}
    # Twice STOP_MILLISECONDS of the gateway's worker.mjs.
    graceSeconds: 6
    {{- end }}
    given: {{ toJson .Values.workloads.gateway }}
{{- end -}}
