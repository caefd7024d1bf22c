package workload

import (
	"path"
	"strings"
)

// Renders are apps that are rendered, and never applied: so many small overlays of Kustomize, over bases that they share, and so many charts, each its own.
type Renders struct{ Overlays, Bases, Charts int }

// Overlay is the directory of the i-th overlay.
func (Renders) Overlay(i int) string { return "overlays/" + App(i) }

// Chart is the directory of the i-th chart.
func (Renders) Chart(i int) string { return "charts/" + App(i) }

// Over is how many overlays share the i-th base.
func (r Renders) Over(i int) int { return (r.Overlays - i + r.Bases - 1) / r.Bases }

const overlay = `resources: [../../bases/${BASE}]
namePrefix: ${APP}-
labels:
- pairs: {app.kubernetes.io/instance: ${APP}}
images:
- {name: registry.example.com/web, newTag: ${VERSION}}
configMapGenerator:
- name: settings
  behavior: merge
  literals: [level=${LEVEL}]
patches:
- target: {kind: Deployment}
  patch: |
    - {op: replace, path: /spec/replicas, value: 2}
`

const overBase = `resources: [web.yaml]
configMapGenerator:
- name: settings
  literals: [theme=light, of-all=${LEVEL}]
`

const chart = `apiVersion: v2
name: ${APP}
version: 1.0.0
appVersion: ${VERSION}
`

const chartValues = `replicas: 1
level: "${LEVEL}"
image: {repository: registry.example.com/web, tag: ""}
service: {port: 80}
resources:
  requests: {cpu: 50m, memory: 64Mi}
env: {THEME: light, TIMEOUT: 5s}
`

const chartHelpers = `{{- define "web.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
{{- define "web.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
`

const chartWeb = `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
  labels: {{- include "web.labels" . | nindent 4 }}
data:
  level: {{ .Values.level | quote }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .Release.Name }}
  labels: {{- include "web.labels" . | nindent 4 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
  labels: {{- include "web.labels" . | nindent 4 }}
spec:
  selector: {{- include "web.selector" . | nindent 4 }}
  ports:
  - {name: http, port: {{ .Values.service.port }}, targetPort: http}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {{- include "web.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {{- include "web.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "web.labels" . | nindent 8 }}
      annotations:
        checksum/settings: {{ .Values.level | sha256sum }}
    spec:
      serviceAccountName: {{ .Release.Name }}
      containers:
      - name: web
        image: {{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
        env:
        {{- range $k, $v := .Values.env }}
        - {name: {{ $k }}, value: {{ $v | quote }}}
        {{- end }}
        resources: {{- toYaml .Values.resources | nindent 10 }}
`

// Files are all files: text by path.
func (r Renders) Files() map[string]string {
	files := map[string]string{}
	for i := range r.Bases {
		file, text := r.BaseFile(i, "0")
		files[file] = text
		files[path.Join("bases", App(i), "web.yaml")] = Spot{sets: 1}.fill(account+"---\n"+service+"---\n"+deployment, "${VERSION}", Version)
	}
	for i := range r.Overlays {
		file, text := r.OverlayFile(i, "0")
		files[file] = text
	}
	for i := range r.Charts {
		fill := strings.NewReplacer("${APP}", App(i), "${VERSION}", Version)
		files[path.Join(r.Chart(i), "Chart.yaml")] = fill.Replace(chart)
		files[path.Join(r.Chart(i), "templates", "_helpers.tpl")] = chartHelpers
		files[path.Join(r.Chart(i), "templates", "web.yaml")] = chartWeb
		file, text := r.ValuesFile(i, "0")
		files[file] = text
	}
	return files
}

// OverlayFile is the kustomization.yaml of the i-th overlay with a level: one line of it.
func (r Renders) OverlayFile(i int, level string) (file, text string) {
	fill := strings.NewReplacer("${APP}", App(i), "${BASE}", App(i%r.Bases), "${VERSION}", Version, "${LEVEL}", level)
	return path.Join(r.Overlay(i), "kustomization.yaml"), fill.Replace(overlay)
}

// ValuesFile is the values.yaml of the i-th chart with a level: one line of it.
func (r Renders) ValuesFile(i int, level string) (file, text string) {
	return path.Join(r.Chart(i), "values.yaml"), strings.ReplaceAll(chartValues, "${LEVEL}", level)
}

// BaseFile is the kustomization.yaml of the i-th base with a level, which is in what every overlay of it renders to.
func (r Renders) BaseFile(i int, level string) (file, text string) {
	return path.Join("bases", App(i), "kustomization.yaml"), strings.ReplaceAll(overBase, "${LEVEL}", level)
}
