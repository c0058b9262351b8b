{{- define "kith.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "kith.selector" -}}
app.kubernetes.io/name: kith
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kith.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Values.images.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: kith
{{ include "kith.selector" . }}
{{- end -}}

{{/* The image of one service, or of the gateway: (list $ "sales"). */}}
{{- define "kith.image" -}}
{{- $root := index . 0 }}{{- $service := index . 1 }}{{- $images := $root.Values.images -}}
{{- with $images.registry }}{{ . }}/{{ end }}{{ $images.repository }}/{{ $service }}
{{- with index $images.digests $service }}@{{ . }}{{ else }}:{{ $images.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end -}}

{{/* sales, service-desk → SALES, SERVICE_DESK: how the names of settings end. */}}
{{- define "kith.suffix" -}}{{ . | upper | replace "-" "_" }}{{- end -}}

{{/* The Secret that holds the URL of a service's database, and its key: (list $ "sales"). */}}
{{- define "kith.database.secret" -}}
{{- $root := index . 0 }}{{- $service := index . 1 }}{{- $database := (index $root.Values.services $service).database -}}
{{- if $database.existingSecret }}
name: {{ $database.existingSecret }}
key: {{ $database.key }}
{{- else if $root.Values.cloudnativepg.enabled }}
# CloudNativePG makes it.
name: {{ include "kith.fullname" $root }}-{{ $service }}-database-app
key: uri
{{- else }}
name: {{ include "kith.fullname" $root }}-{{ $service }}-database
key: url
{{- end }}
{{- end -}}

{{/*
What an API has besides the URL of its database, of a pooler and of a replica: the key in the Secret, by what it is of.
(list $ "sales")
*/}}
{{- define "kith.database.further" -}}
{{- $database := (index (index . 0).Values.services (index . 1)).database -}}
{{- range $what := list "pooler" "replica" }}
{{- with ternary (printf "%sUrl" $what) (index $database (printf "%sKey" $what)) (not (empty (index $database (printf "%sUrl" $what)))) }}
{{ $what }}: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
An ExternalSecret with URLs of a service's database, each the property of that name: (list $ "sales" "database"
"annotations, or nothing" (list "url" …)).
*/}}
{{- define "kith.external.secret" -}}
{{- $root := index . 0 }}{{- $service := index . 1 }}
{{- $name := printf "%s-%s-%s" (include "kith.fullname" $root) $service (index . 2) }}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {{ $name }}
  labels:
    {{- include "kith.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $service }}
  {{- with index . 3 }}
  annotations:
    {{- . | nindent 4 }}
  {{- end }}
spec:
  refreshInterval: {{ $root.Values.externalSecrets.refreshInterval }}
  secretStoreRef:
    {{- toYaml $root.Values.externalSecrets.store | nindent 4 }}
  target: {name: {{ $name }}}
  data:
    {{- range index . 4 }}
    - secretKey: {{ . }}
      remoteRef: {key: {{ printf "%s%s" $root.Values.externalSecrets.prefix $service | quote }}, property: {{ . }}}
    {{- end }}
{{- end -}}
