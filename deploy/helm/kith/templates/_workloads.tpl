{{/*
Everything that runs for good: an API and a worker of each service, and the gateway. Each is a form of the same fields,
and each kind of object (Deployment, Service, PodDisruptionBudget, …) is one template that goes through them.
*/}}
{{- define "kith.workloads" -}}
{{- $root := . -}}
workloads:
{{- range $service, $given := .Values.services }}
{{- range $role := list "api" "worker" }}
{{- $values := mergeOverwrite (deepCopy (index $root.Values.workloads $role)) (index $given $role) }}
  - name: {{ $service }}-{{ $role }}
    service: {{ $service }}
    role: {{ $role }}
    args: [{{ $role }}]
    # A worker shows its probes on the port of its metrics alone.
    probePort: {{ ternary "http" "metrics" (eq $role "api") }}
    serves: {{ eq $role "api" }}
    graceSeconds: {{ $root.Values.pods.shutdownSeconds }}
    given: {{ toJson $values }}
{{- end }}
{{- end }}
  - name: gateway
    service: gateway
    role: gateway
    args: []
    probePort: http
    serves: true
    # Twice STOP_MILLISECONDS of the gateway's worker.mjs.
    graceSeconds: 6
    given: {{ toJson .Values.workloads.gateway }}
{{- end -}}

{{/* The environment of a service, or of the gateway, that is no secret, as name and value: (list $ "sales"). */}}
{{- define "kith.settings" -}}
{{- $root := index . 0 }}{{- $service := index . 1 }}{{- $name := include "kith.fullname" $root -}}
{{- $settings := dict "KITH_METRICS_PORT" "9090" }}
{{- if eq $service "gateway" }}
{{- $settings = merge $settings (dict "KITH_GATEWAY_HOST" "0.0.0.0" "KITH_PORT_GATEWAY" "8000") }}
{{- range $each, $_ := $root.Values.services }}
{{- $_ := set $settings (printf "KITH_URL_%s" (include "kith.suffix" $each)) (printf "http://%s-%s:8000" $name $each) }}
{{- end }}
{{- $settings = mergeOverwrite $settings $root.Values.settings.all $root.Values.settings.gateway }}
{{- else }}
{{- $settings = merge $settings (dict "KITH_HOST" "0.0.0.0" "KITH_KAFKA_BOOTSTRAP" (include "kith.bootstrap" $root)) }}
{{- $_ := set $settings "KITH_TOPIC_PARTITIONS" (toString $root.Values.kafka.partitions) }}
{{- $_ := set $settings "KITH_SHUTDOWN_SECONDS" (toString $root.Values.pods.shutdownSeconds) }}
{{- $_ := set $settings (printf "KITH_PORT_%s" (include "kith.suffix" $service)) "8000" }}
{{- $own := (index $root.Values.services $service).settings }}
{{- $settings = mergeOverwrite $settings $root.Values.settings.all $root.Values.settings.services $own }}
{{- end }}
{{- $_ := required "settings.all.KITH_ISSUER_URL: name the OpenID Connect provider whose tokens are accepted" $settings.KITH_ISSUER_URL }}
{{- toYaml $settings }}
{{- end -}}
