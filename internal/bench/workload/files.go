package workload

import (
	"fmt"
	"path"
	"strings"
)

// LevelKey is the key in the data of the settings whose value is one line of their file.
const LevelKey = "level"

// Level is its value in Files.
const Level = "0"

// Version is that of the image in Files.
const Version = "1.4.2"

// TextKey is the key in the data of the pages that a change of the base changes.
const TextKey = "motto"

const settings = `apiVersion: v1
kind: ConfigMap
metadata:
  name: settings${SET}
  labels: {app.kubernetes.io/name: ${APP}, bench.fairlead.dev/part: settings}
data:
  level: "${LEVEL}"
  theme: light
  endpoints: |
    catalog=http://catalog:8080
    orders=http://orders:8080
    payments=http://payments:8080
  retries: "3"
  timeout: 5s
`

const pages = `apiVersion: v1
kind: ConfigMap
metadata:
  name: pages${SET}
  labels: {bench.fairlead.dev/part: other}
data:
  motto: ${TEXT}
  index.html: |
    <!doctype html>
    <title>A page</title>
    <h1>A page</h1>
    <p>It is served to whoever asks for it.</p>
  robots.txt: |
    User-agent: *
    Disallow: /private
`

const account = `apiVersion: v1
kind: ServiceAccount
metadata:
  name: web${SET}
  labels: {app.kubernetes.io/name: ${APP}, bench.fairlead.dev/part: other}
automountServiceAccountToken: false
`

const service = `apiVersion: v1
kind: Service
metadata:
  name: web${SET}
  labels: {app.kubernetes.io/name: ${APP}, bench.fairlead.dev/part: other}
spec:
  selector: {app.kubernetes.io/name: ${APP}, set: "web${SET}"}
  ports:
  - {name: http, port: 80, targetPort: http}
`

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web${SET}
  labels: {app.kubernetes.io/name: ${APP}, bench.fairlead.dev/part: other}
spec:
  replicas: 0
  selector:
    matchLabels: {app.kubernetes.io/name: ${APP}, set: "web${SET}"}
  template:
    metadata:
      labels: {app.kubernetes.io/name: ${APP}, set: "web${SET}"}
    spec:
      serviceAccountName: web${SET}
      containers:
      - name: web
        image: registry.example.com/web:${VERSION}
        ports:
        - {name: http, containerPort: 8080}
        envFrom:
        - configMapRef: {name: settings${SET}}
        volumeMounts:
        - {name: pages, mountPath: /srv}
        resources:
          requests: {cpu: 50m, memory: 64Mi}
          limits: {memory: 128Mi}
      volumes:
      - name: pages
        configMap: {name: pages${SET}}
`

func (s Spot) fill(template string, more ...string) string {
	return strings.NewReplacer(append([]string{"${APP}", s.App(), "${SET}", s.suffix()}, more...)...).Replace(template)
}

// Files are all files of the workload: text by path. Nothing uses the base yet.
func (w Workload) Files() map[string]string {
	files := map[string]string{"base/kustomization.yaml": "resources: [pages.yaml]\n"}
	p, text := Base("hello")
	files[p] = text
	for i := range w.Apps {
		p, text := w.Kustomization(i, nil)
		files[p] = text
	}
	for i := range w.Spots() {
		s := w.Spot(i)
		p, text := s.Settings(Level)
		files[p] = text
		files[s.PagesFile()] = s.fill(pages, "${TEXT}", "hello")
		p, text = s.Web(Version)
		files[p] = text
	}
	return files
}

// Settings is the file of the set's settings with a value of the level: one line of it.
func (s Spot) Settings(level string) (file, text string) {
	return path.Join(s.Dir(), "settings"+s.suffix()+".yaml"), s.fill(settings, "${LEVEL}", level)
}

// Web is the file of the set's Deployment and what that needs, with a version of its image.
func (s Spot) Web(version string) (file, text string) {
	return path.Join(s.Dir(), s.WebName()+".yaml"), s.fill(account) + "---\n" + s.fill(service) + "---\n" + s.fill(deployment, "${VERSION}", version)
}

// Depends is the fairlead.yaml that makes the app wait for another one.
func (s Spot) Depends(on string) (file, text string) {
	return path.Join(s.Dir(), "fairlead.yaml"), "dependsOn: [" + on + "]\n"
}

// PagesFile is the file of the set's pages.
func (s Spot) PagesFile() string { return path.Join(s.Dir(), "pages"+s.suffix()+".yaml") }

// Source says where the pages of a set come from.
type Source int

// The sources of pages. The zero Source is the set's own file.
const (
	Own Source = iota
	Shared
	None
)

// Kustomization is the kustomization.yaml of the i-th app, given where the pages of its sets come from, by set; sets that are not in it have their own.
func (w Workload) Kustomization(i int, from map[int]Source) (file, text string) {
	var b strings.Builder
	b.WriteString("resources:\n")
	for set := range w.Sets {
		s := Spot{app: i, set: set, sets: w.Sets}
		fmt.Fprintf(&b, "- settings%s.yaml\n", s.suffix())
		switch from[set] {
		case Own:
			fmt.Fprintf(&b, "- pages%s.yaml\n", s.suffix())
		case Shared:
			b.WriteString("- ../../base\n")
		case None:
		}
		fmt.Fprintf(&b, "- web%s.yaml\n", s.suffix())
	}
	return path.Join("apps", App(i), "kustomization.yaml"), b.String()
}

// Base is the file of the pages that apps share, with a text in it.
func Base(text string) (file, content string) {
	return "base/pages.yaml", Spot{sets: 1}.fill(pages, "${TEXT}", text)
}

// Dependents is how many apps share the base in the variant of the workload that has one: a fifth, and at most 200. An app of several sets has none, since
// the names of its objects are its own.
func (w Workload) Dependents() int {
	if w.Sets > 1 {
		return 0
	}
	return min(200, max(w.Apps/5, min(w.Apps, 1)))
}
