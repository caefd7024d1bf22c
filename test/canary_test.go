package test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// canaries are the values that nobody but the API server may see, as they are, and as they are encoded.
type canaries struct {
	texts   []string
	encoded map[string]string // what would show one, and which
}

// next makes one more.
func (c *canaries) next() string {
	text := fmt.Sprintf("canary-%02d-of-a-secret", len(c.texts))
	c.texts = append(c.texts, text)
	if c.encoded == nil {
		c.encoded = map[string]string{}
	}
	b64 := base64.StdEncoding.EncodeToString([]byte(text))
	for _, form := range []string{text, strings.TrimRight(b64, "="), hex.EncodeToString([]byte(text)), strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(b64)), "=")} {
		c.encoded[form] = text
	}
	return text
}

// absent holds that a place shows none of them.
func (c *canaries) absent(t *testing.T, where string, data []byte) {
	t.Helper()
	if len(data) == 0 {
		t.Errorf("%s: there is nothing to search", where)
	}
	for form, text := range c.encoded {
		if i := bytes.Index(data, []byte(form)); i >= 0 {
			t.Errorf("%s shows %s: …%q…", where, text, data[max(0, i-100):min(len(data), i+len(form)+40)])
		}
	}
}

// listener keeps what it is sent.
type listener struct {
	mu   sync.Mutex
	came bytes.Buffer
}

func (l *listener) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.Copy(&l.came, r.Body)
}

func (l *listener) all() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.came.Bytes())
}

// TestCanary: values that are encrypted in Git are in the Secrets of the cluster, and in nothing else that anybody could look at: no log, status, Event, plan,
// diff, history, message, metric, profile, file or crash dump; also not where the API server refuses them, or a file does not open.
func TestCanary(t *testing.T) {
	t.Parallel()
	plane := testkit.Start(t, testkit.Options{})
	ctl := plane.Controller(t, testkit.ControllerOptions{Args: []string{"--profiling"}})
	w := world{home: t, plane: plane, ctl: ctl}
	p := w.place(t, "canary")
	var c canaries
	heard := &listener{}
	p.apply(fmt.Sprintf("apiVersion: fairlead.dev/v1alpha1\nkind: Notifier\nmetadata: {name: people}\nspec: {webhook: {url: %q}, environments: ['p*']}\n", outward(t, heard)))

	recipient := strings.TrimSpace(p.commanded("", "secret", "keys", "generate", "--sops", "-n", p.Namespace))
	p.commanded("", "secret", "keys", "generate", "-n", p.Namespace)
	encrypt := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p.commanded("", "secret", "encrypt", file, "--age", recipient, "--stdout")
	}
	seal := func(text string) string { return p.commanded(text, "secret", "seal", "-", "-n", p.Namespace) }
	manifest := func(name, field, key, value string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata:\n  name: " + name + "\n" + field + ":\n  " + key + ": " + value + "\n"
	}
	tree := func(refused bool) map[string]string {
		a, b, d := c.next(), c.next(), c.next()
		files := map[string]string{
			"apps/web/plain.yaml":         config("settings"),
			"apps/web/sops.yaml":          encrypt("sops.yaml", manifest("sops", "stringData", "token", a)),
			"apps/web/sealed.yaml":        seal(manifest("sealed", "stringData", "token", b)),
			"apps/gen/kustomization.yaml": "generatorOptions: {disableNameSuffixHash: true}\nsecretGenerator: [{name: generated, envs: [values.env]}]\n",
			"apps/gen/values.env":         encrypt("values.env", "token="+d+"\n"),
		}
		if refused {
			files["apps/web/sops.yaml"] = encrypt("sops.yaml", manifest("sops", "data", "token", "'"+a+"!'"))
			files["apps/gen/kustomization.yaml"] += "resources: [bad.yaml]\n"
			files["apps/gen/bad.yaml"] = encrypt("bad.yaml", manifest("bad", "stringData", "'no key'", c.next()))
		}
		return files
	}
	has := func(name, text string) {
		t.Helper()
		testkit.Eventually(t, func(ctx context.Context) error {
			return p.Is(ctx, "secret/"+name, "{.data.token}", base64.StdEncoding.EncodeToString([]byte(text)))
		})
	}
	variable := c.next()
	p.apply(manifest("variables", "stringData", "PASSWORD", variable))
	files := tree(false)
	files["apps/web/variable.yaml"] = manifest("variable", "stringData", "token", "${PASSWORD}")
	// What is no Secret, and has a value of one: everybody who may read it sees it, and nobody sees it in what Fairlead says.
	shown := func(prefix string) string {
		return "apiVersion: v1\nkind: Service\nmetadata:\n  name: shown\nspec:\n  type: ExternalName\n  externalName: " + prefix + "${PASSWORD}\n"
	}
	files["apps/shown/service.yaml"] = shown("")
	values := func(text string) string {
		return manifest("chart-values", "stringData", "values.yaml", `"token: `+text+`"`)
	}
	charted := c.next()
	p.apply(values(charted))
	files["apps/marked/settings.yaml"] = config("marked")
	const template = "apps/chart/templates/secret.yaml"
	files["apps/chart/Chart.yaml"] = "apiVersion: v2\nname: chart\nversion: 1.0.0\n"
	files["apps/chart/fairlead.yaml"] = "helm:\n  valuesFrom: [{kind: Secret, name: chart-values}]\n"
	files[template] = manifest("charted", "stringData", "token", "{{ .Values.token }}")
	const beside = "apps/chart/templates/settings.yaml"
	files[beside] = strings.Replace(config("beside"), "{of: git}", "{of: git, token: '{{ .Values.token }}'}", 1)
	p.begin(map[string]any{
		"render.decryption":     map[string]any{"secretRef": map[string]any{"name": "sops-age"}},
		"render.substituteFrom": []any{map[string]any{"kind": "Secret", "name": "variables"}},
	}, []string{"web", "gen", "chart", "marked", "shown"}, gitserver.Files(files))
	has("variable", variable)
	has("charted", charted)
	for i, name := range []string{"sops", "sealed", "generated"} {
		has(name, c.texts[1+i])
	}

	// A hand edit that is undone, a change, and what is planned before it is applied.
	charted = c.next()
	p.apply(values(charted))
	has("charted", charted)
	p.kubectl("patch", "secret", "sealed", "--type=merge", "-p", `{"stringData":{"token":"`+c.next()+`"}}`)
	has("sealed", c.texts[2])
	p.kubectl("patch", "service", "shown", "--type=merge", "-p", `{"spec":{"externalName":"elsewhere"}}`)
	testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "service/shown", "{.spec.externalName}", variable) })
	second := tree(false)
	second["apps/shown/service.yaml"] = shown("x-")
	commit := p.Git.Commit(t, "next", "second", gitserver.Files(second))
	c.absent(t, "plan --to", []byte(p.commanded("", "plan", "prod", "-n", p.Namespace, "--to", string(commit))))
	p.push(gitserver.Files(second))
	for i, name := range []string{"sops", "sealed", "generated"} {
		has(name, c.texts[7+i])
	}
	p.phase("prod-web", v1alpha1.PhaseSynced)

	// What took the place of a value is told by a controller that never saw where the value was shown.
	without := map[string]string{"apps/shown/service.yaml": strings.Replace(shown(""), "${PASSWORD}", "elsewhere.example", 1), beside: config("beside")}
	testkit.Eventually(t, func(ctx context.Context) error {
		return p.Is(ctx, "service/shown", "{.spec.externalName}", "x-"+variable)
	})
	p.phase("prod-shown", v1alpha1.PhaseSynced)
	commit = p.Git.Commit(t, "without", "without", gitserver.Files(without))
	ctl.Stop(t)
	ctl.Start(t)
	testkit.Eventually(t, func(context.Context) error {
		planned := p.commanded("", "plan", "prod", "-n", p.Namespace, "--to", string(commit))
		c.absent(t, "plan --to after a restart", []byte(planned))
		if !strings.Contains(planned, "spec.externalName: changed (secret") || !strings.Contains(planned, "data.token: - (secret") {
			return fmt.Errorf("planned: %s", planned) // before it has read anything it says so
		}
		return nil
	})
	ctl.Stop(t)
	p.Git.Commit(t, "main", "without", gitserver.Files(without))
	ctl.Start(t)
	testkit.Eventually(t, func(ctx context.Context) error {
		return p.Is(ctx, "service/shown", "{.spec.externalName}", "elsewhere.example")
	})
	testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "configmap/beside", "{.data.token}", "") })
	p.phase("prod-shown", v1alpha1.PhaseSynced)
	c.search(t, p, "restarted")

	// What the API server refuses, and what does not open.
	refused := tree(true)
	refused["apps/shown/service.yaml"] = shown("no/name/")
	refused[template] = "{{ fail (printf \"%s is not good: %s\" .Values.token (b64enc .Values.token)) }}\n"
	refused["apps/marked/settings.yaml"] = strings.Replace(config("marked"), "metadata:", "metadata:\n  annotations: {fairlead.dev/prune: \"${PASSWORD:0:20}${PASSWORD}\"}", 1)
	p.push(gitserver.Files(refused))
	p.phase("prod-marked", v1alpha1.PhaseFailed, "fairlead.dev/prune is \"•••\"")
	p.phase("prod-chart", v1alpha1.PhaseFailed, "is not good")
	p.phase("prod-shown", v1alpha1.PhaseFailed, "words are not shown")
	p.phase("prod-web", v1alpha1.PhaseFailed, "Secret")
	p.phase("prod-gen", v1alpha1.PhaseFailed, "Secret")
	c.search(t, p, "refused")
	changed := strings.Replace(second["apps/web/sops.yaml"], "name: sops", "name: other", 1)
	moved := strings.ReplaceAll(second["apps/web/sealed.yaml"], "name: sealed", "name: moved")
	p.push(gitserver.Files(map[string]string{"apps/web/sops.yaml": changed, "apps/gen/bad.yaml": moved}))
	p.phase("prod-web", v1alpha1.PhaseFailed, "the MAC of the file is another")
	p.phase("prod-gen", v1alpha1.PhaseFailed, "does not open for canary/moved (scope strict)")
	c.search(t, p, "not opened")

	c.absent(t, "a message", heard.all())
	ctl.Crash()
	c.absent(t, "the log, with the dump of a crash", []byte(ctl.Log()))
	if !strings.Contains(ctl.Log(), "SIGQUIT") {
		t.Error("there is no dump")
	}
	c.files(t, ctl.DataDir())
}

// search looks at everything that can be asked.
func (c *canaries) search(t *testing.T, p place, when string) {
	t.Helper()
	c.absent(t, when+": the log", []byte(p.ctl.Log()))
	for _, kind := range []string{"apps,environments,repositories,notifiers", "events.events.k8s.io", "configmaps"} {
		c.absent(t, when+": "+kind, []byte(p.kubectl("get", kind, "-A", "-o", "yaml")))
	}
	n := p.Namespace
	for _, args := range [][]string{
		{"status", "-n", n, "-o", "json"},
		{"plan", "prod", "-n", n},
		{"plan", "prod", "-n", n, "-o", "json"},
		{"plan", "prod", "-n", n, "-o", "markdown"},
		{"diff", "prod/web", "-n", n},
		{"why", "prod/web", "-n", n},
		{"events", "prod/web", "-n", n},
		{"history", "-n", n, "-o", "json"},
		{"tree", "prod/web", "-n", n},
	} {
		c.absent(t, when+": fairlead "+strings.Join(args, " "), []byte(p.commanded("", args...)))
	}
	for _, path := range []string{"/metrics", "/debug/pprof/goroutine?debug=2", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap?debug=1", "/debug/pprof/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.ctl.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, %v", path, res.StatusCode, err)
		}
		c.absent(t, when+": "+path, body)
	}
}

// files looks at every file in a directory and below.
func (c *canaries) files(t *testing.T, dir string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if len(data) > 0 {
			n++
			c.absent(t, path, data)
		}
		return err
	})
	if err != nil || n == 0 {
		t.Errorf("%d files in %s: %v", n, dir, err)
	}
}

// commanded runs a command as an administrator, and returns what it prints, and says, whatever its exit code.
func (p place) commanded(input string, args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), testkit.Binary(p.t, "fairlead"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+p.Plane.Kubeconfig, "FAIRLEAD_SERVER=http://"+p.ctl.Addr())
	cmd.Stdin = strings.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil && args[0] == "secret" {
		p.t.Fatalf("fairlead %s: %v: %s", strings.Join(args, " "), err, said.Bytes())
	}
	if args[0] != "secret" {
		return out.String() + said.String()
	}
	return out.String()
}

// kubectl runs kubectl as an administrator.
func (p place) kubectl(args ...string) string {
	p.t.Helper()
	out, err := p.Plane.Kubectl(p.t.Context(), p.Namespace, args...)
	if err != nil {
		p.t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}
