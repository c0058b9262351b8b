{{/* What a restricted namespace asks of a pod, and of a container. */}}
{{- define "kith.pod.security" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "kith.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What all pods share, whether they run for good or migrate: (list $ "name of the service account"). */}}
{{- define "kith.pod.common" -}}
{{- $root := index . 0 -}}
serviceAccountName: {{ index . 1 }}
automountServiceAccountToken: false
# Else every Service of the namespace is in the environment, and one called kith-… as a setting of ours.
enableServiceLinks: false
securityContext:
  {{- include "kith.pod.security" $root | nindent 2 }}
{{- with $root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $root.Values.pods.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.pods.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.pods.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
A URL of the database of a service, as a variable of a container: (list "" "sales" "name of the Secret" "key"). The first
is OWNER_, POOLER_ or REPLICA_ of another URL than that of the login that serves.
*/}}
{{- define "kith.database.env" -}}
- name: KITH_DATABASE_{{ index . 0 }}URL_{{ include "kith.suffix" (index . 1) }}
  valueFrom:
    secretKeyRef: {name: {{ index . 2 }}, key: {{ index . 3 }}}
{{- end -}}

{{/* An egress rule: to these peers, or to anything if there are none, at these ports: (dict "peers" … "ports" …). */}}
{{- define "kith.network.to" -}}
- ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Secrets as files, which a process reads again when they change: folder of /etc/kith → Secret. */}}
{{- define "kith.files.mounts" -}}
{{- range $folder, $_ := . }}
- {name: {{ $folder }}, mountPath: /etc/kith/{{ $folder }}, readOnly: true}
{{- end }}
{{- end -}}

{{- define "kith.files.volumes" -}}
{{- range $folder, $secret := . }}
- name: {{ $folder }}
  # Of the group of the process, and of nobody else.
  secret: {secretName: {{ $secret }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{/*
The ledger of erasures is a file outside of the database. Contacts' worker writes it, and reads it after a restore; its
API has no such folder, so the setting is not in the ConfigMap of both: (list $ "contacts" "worker").
*/}}
{{- define "kith.erasures" -}}
{{- if and (eq (index . 1) "contacts") (eq (index . 2) "worker") (index . 0).Values.erasures.claim -}}
{{ (index . 0).Values.erasures.claim }}
{{- end -}}
{{- end -}}

{{- define "kith.erasures.folder" -}}/var/lib/kith{{- end -}}

{{/* What is attached is a folder that contacts' API and its worker share: (list $ "contacts" "api"). */}}
{{- define "kith.attachments" -}}
{{- if and (eq (index . 1) "contacts") (index . 0).Values.attachments.claim -}}
{{ (index . 0).Values.attachments.claim }}
{{- end -}}
{{- end -}}

{{- define "kith.attachments.folder" -}}/var/lib/kith-attachments{{- end -}}

{{/* Of all ConfigMaps these: (list $maps (list "sales" "kafka")). */}}
{{- define "kith.pick" -}}
{{- range index . 1 }}
{{ . }}: {{ index (index $ 0) . | toJson }}
{{- end }}
{{- end -}}
