{{/* A name of this release's own: RELEASE-PART. */}}
{{- define "gas.name" -}}
{{- printf "%s-%s" .root.Release.Name .part | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "gas.selector" -}}
app.kubernetes.io/name: gas
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "gas.labels" -}}
{{ include "gas.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "gas.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "gas.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (printf "%s-gas" .Release.Name) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* The settings that all parts share. Each secret is a file that its setting names. */}}
{{- define "gas.env" -}}
- {name: GAS_ENV, value: production}
- {name: GAS_DATA_DIR, value: /var/lib/gas}
- {name: GAS_BASE_URL, value: {{ printf "https://%s" .Values.host | quote }}}
- {name: GAS_STORAGE, value: s3}
- {name: GAS_S3_BUCKET, value: {{ .Values.storage.bucket | quote }}}
{{- with .Values.storage.region }}
- {name: GAS_S3_REGION, value: {{ . | quote }}}
- {name: AWS_DEFAULT_REGION, value: {{ . | quote }}}
{{- end }}
{{- with .Values.storage.endpoint }}
- {name: GAS_S3_ENDPOINT, value: {{ . | quote }}}
{{- end }}
- {name: GAS_COLD_TIER, value: glacier}
{{- with .Values.coldTier.bucket }}
- {name: GAS_GLACIER_BUCKET, value: {{ . | quote }}}
{{- end }}
- {name: GAS_MAIL, value: {{ .Values.mail.way }}}
- {name: GAS_MAIL_FROM, value: {{ .Values.mail.from | quote }}}
{{- if eq .Values.mail.way "smtp" }}
- {name: GAS_SMTP_HOST, value: {{ .Values.mail.smtpHost | quote }}}
- {name: GAS_SMTP_PORT, value: {{ .Values.mail.smtpPort | quote }}}
- {name: GAS_SMTP_USER, value: {{ .Values.mail.smtpUser | quote }}}
- {name: GAS_SMTP_SECURITY, value: {{ .Values.mail.smtpSecurity }}}
{{- end }}
- {name: GAS_BILLING, value: {{ .Values.billing }}}
{{- range .Values.secretKeys }}
- {name: {{ . }}_FILE, value: /run/secrets/gas/{{ . }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{/* Nothing that a pod of ours does needs a right. */}}
{{- define "gas.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "gas.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "gas.mounts" -}}
- {name: data, mountPath: /var/lib/gas}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /run/secrets/gas, readOnly: true}
{{- if .Values.references.existingClaim }}
- {name: references, mountPath: /var/lib/gas/references}
{{- end }}
{{- end -}}

{{- define "gas.volumes" -}}
- {name: data, emptyDir: {}}
- {name: tmp, emptyDir: {}}
- name: secrets
  secret:
    secretName: {{ .Values.secret | quote }}
    defaultMode: 0440
    items:
      {{- range .Values.secretKeys }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- with .Values.references.existingClaim }}
- name: references
  persistentVolumeClaim: {claimName: {{ . | quote }}}
{{- end }}
{{- end -}}

{{/* What all pods have in common: {root, part, args, env?, port?, probes?, stop?, grace, resources}. */}}
{{- define "gas.pod" -}}
metadata:
  labels:
    {{- include "gas.labels" . | nindent 4 }}
spec:
  serviceAccountName: {{ include "gas.serviceAccount" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace }}
  securityContext:
    {{- include "gas.podSecurity" . | nindent 4 }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .part }}
      image: {{ include "gas.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      env:
        {{- include "gas.env" .root | nindent 8 }}
        {{- with .env }}
        {{- . | nindent 8 }}
        {{- end }}
      {{- with .extra }}
      {{- . | nindent 6 }}
      {{- end }}
      securityContext:
        {{- include "gas.containerSecurity" . | nindent 8 }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        {{- include "gas.mounts" .root | nindent 8 }}
  {{- with .farm }}
  {{- with .nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "gas.selector" $ | nindent 10 }}
  {{- end }}
  volumes:
    {{- include "gas.volumes" .root | nindent 4 }}
{{- end -}}

{{/* Out at once and by what is asked, in to the most that was asked for in the hold. */}}
{{- define "gas.behavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - {type: Pods, value: 4, periodSeconds: 15}
    - {type: Percent, value: 100, periodSeconds: 15}
scaleDown:
  stabilizationWindowSeconds: {{ . }}
  policies:
    - {type: Percent, value: 100, periodSeconds: 15}
{{- end -}}

{{/* A probe comes by address, and the service answers to its name and to localhost. */}}
{{- define "gas.probe" -}}
httpGet:
  path: {{ . }}
  port: http
  httpHeaders: [{name: Host, value: localhost}]
{{- end -}}

{{/* Whoever reads metrics asks a pod by its address. */}}
{{- define "gas.webEnv" -}}
- {name: GAS_HOST, value: "0.0.0.0"}
- {name: GAS_PORT, value: "8000"}
- {name: GAS_TRUST_PROXY, value: "true"}
- {name: GAS_WEB_WORKERS, value: {{ .Values.web.processes | quote }}}
- {name: GAS_WEB_THREADS, value: {{ .Values.web.threads | quote }}}
{{- if not (hasKey .Values.settings "GAS_ALLOWED_HOSTS") }}
- {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: GAS_ALLOWED_HOSTS, value: '["$(POD_IP)"]'}
{{- end }}
{{- end -}}

{{- define "gas.webExtra" -}}
ports:
  - {name: http, containerPort: 8000}
lifecycle:
  # Until every proxy knows that this pod takes no more requests.
  preStop: {sleep: {seconds: 10}}
startupProbe:
  {{- include "gas.probe" "/healthz" | nindent 2 }}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  {{- include "gas.probe" "/healthz" | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  {{- include "gas.probe" "/readyz" | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 10
{{- end -}}
