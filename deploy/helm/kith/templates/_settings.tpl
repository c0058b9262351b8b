{{/*
The environment of all processes that is no secret: by ConfigMap, name and value. Of a service, of the gateway; and what
only workers need, who alone speak to Kafka, reconcile and carry out processes.
*/}}
{{- define "kith.maps" -}}
{{- $values := .Values }}{{- $name := include "kith.fullname" . -}}
{{- range $service, $given := .Values.services }}
{{- $base := dict "KITH_HOST" "0.0.0.0" "KITH_METRICS_PORT" "9090" }}
{{- $_ := set $base (printf "KITH_PORT_%s" (include "kith.suffix" $service)) "8000" }}
{{- if $values.cloudnativepg.enabled }}
{{- $_ := set $base "KITH_DATABASE_SSLMODE" "verify-full" }}
{{- $_ := set $base "KITH_DATABASE_SSLROOTCERT" "/etc/kith/postgres-ca/ca.crt" }}
{{- end }}
{{- $_ := set $base "KITH_SHUTDOWN_SECONDS" (toString $values.pods.shutdownSeconds) }}
{{ $service }}:
  {{- mergeOverwrite $base $values.settings.all $values.settings.services $values.postgres.settings $given.settings | toYaml | nindent 2 }}
{{- end }}
{{- $_ := required "settings.all.KITH_ISSUER_URL: name the OpenID Connect provider whose tokens are accepted" $values.settings.all.KITH_ISSUER_URL }}
{{- if eq .Values.gateway.kind "hive-router" }}
{{- $_ := required "gateway.documents: name a ConfigMap with the documents that the Hive Router may read (documents.json)" .Values.gateway.documents }}
{{- $_ := required "settings.gateway.KITH_JWKS_URL: the Hive Router does not discover where the issuer's keys are" (merge dict .Values.settings.gateway .Values.settings.all).KITH_JWKS_URL }}
{{- end }}
gateway:
  {{- $base := dict "KITH_GATEWAY_HOST" "0.0.0.0" "KITH_METRICS_PORT" "9090" "KITH_PORT_GATEWAY" "8000" }}
  {{- if eq .Values.gateway.kind "hive-router" }}{{ $_ := set $base "ROUTER_DOCUMENTS" "/etc/kith/documents/documents.json" }}{{ end }}
  {{- mergeOverwrite $base (include "kith.urls" . | fromYaml) $values.settings.all $values.settings.gateway | toYaml | nindent 2 }}
kafka:
  {{- $base := dict "KITH_TOPIC_PARTITIONS" (toString $values.kafka.partitions) "KITH_TOPIC_GENERATION" (toString $values.kafka.generation) }}
  {{- mergeOverwrite $base (include "kith.kafka.settings" . | fromYaml) $values.kafka.settings | toYaml | nindent 2 }}
{{- if $values.reconciliation.clientSecret }}
reconciliation:
  KITH_CLIENT_FILE: /etc/kith/reconciliation/{{ $values.reconciliation.key }}
  {{- omit (include "kith.urls" . | fromYaml) "KITH_URL_ANALYTICS" | toYaml | nindent 2 }}
{{- end }}
{{- if $values.processes.clientSecret }}
processes:
  KITH_CLIENT_FILE: /etc/kith/processes/{{ $values.processes.key }}
  {{- pick (include "kith.urls" . | fromYaml) "KITH_URL_CONTACTS" | toYaml | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where each API is, inside the cluster. */}}
{{- define "kith.urls" -}}
{{- range $service, $_ := .Values.services }}
KITH_URL_{{ include "kith.suffix" $service }}: http://{{ include "kith.fullname" $ }}-{{ $service }}:8000
{{- end }}
{{- end -}}

{{/* How the brokers are reached: those that are named, or those that Strimzi runs for this release. */}}
{{- define "kith.kafka.settings" -}}
{{- if .Values.strimzi.enabled -}}
KITH_KAFKA_BOOTSTRAP: {{ include "kith.fullname" . }}-kafka-bootstrap:9093
KITH_KAFKA_SECURITY_PROTOCOL: SASL_SSL
KITH_KAFKA_SSL_CA_FILE: /etc/kith/kafka-ca/ca.crt
KITH_KAFKA_SASL_MECHANISM: SCRAM-SHA-512
KITH_KAFKA_SASL_USERNAME: {{ include "kith.fullname" . }}
KITH_KAFKA_SASL_PASSWORD_FILE: /etc/kith/kafka-user/password
{{- else -}}
KITH_KAFKA_BOOTSTRAP: {{ required "kafka.bootstrap: name the brokers, host:port[,…], or set strimzi.enabled" .Values.kafka.bootstrap }}
{{- end }}
{{- end -}}

{{- define "kith.kafka.files" -}}
{{- if .Values.strimzi.enabled }}
kafka-ca: {{ include "kith.fullname" . }}-cluster-ca-cert
kafka-user: {{ include "kith.fullname" . }}
{{- end }}
{{- range $folder, $secret := .Values.kafka.files }}
{{ $folder }}: {{ $secret }}
{{- end }}
{{- end -}}

{{/* Secrets that are files where the database is asked: (list $ "sales"). CloudNativePG makes the authority's. */}}
{{- define "kith.postgres.files" -}}
{{- $root := index . 0 }}
{{- if $root.Values.cloudnativepg.enabled }}
postgres-ca: {{ include "kith.fullname" $root }}-{{ index . 1 }}-database-ca
{{- end }}
{{- range $folder, $secret := $root.Values.postgres.files }}
{{ $folder }}: {{ $secret }}
{{- end }}
{{- end -}}
