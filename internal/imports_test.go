// Package internal_test holds the direction of the imports between the packages of this module.
package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fairlead-cd/fairlead/"

// table says what each package may import, not counting its tests. A line is "package: words", and a word is
//
//	std             any package of the standard library but those of system
//	system          os, os/exec, net, net/http, log/slog: the world outside
//	slog            log/slog alone
//	apimachinery    k8s.io/apimachinery
//	client-go       client-go, k8s.io/api and controller-runtime
//	a package       of this module, below internal/ (or api/…), with all that is below it
//	@name           the packages of a group
//	path/with.dot   a package of another module, with all that is below it
//	any             anything but other ways in
//
// The longest name that is a prefix of a package's path counts for it. Changing this table is a design decision.
const table = `
# The core: values and decisions. No clock, no network, no files, no client-go.
fault:        std
nearest:      std
ignore:       std fault
pace:         std
contest:      std
source:       std fault
archive:      std fault source
object:       std fault apimachinery go.yaml.in/yaml/v3
strict:       std fault nearest go.yaml.in/yaml/v3
app:          std fault object source strict nearest release go.yaml.in/yaml/v3
diff:         std object app
fingerprint:  std object fault app diff
health:       std object app fault github.com/google/cel-go
order:        std object fault app
observed:     std object app fingerprint health
plan:         std @values
fleet:        std @values plan
discover:     std source app fault
block:        std object app
signature:    std fault github.com/ProtonMail/go-crypto github.com/hiddeco/sshsig golang.org/x/crypto/ssh
secret/sops:  std fault object go.yaml.in/yaml/v3 filippo.io/age github.com/ProtonMail/go-crypto golang.org/x/crypto/ssh
secret/sealed: std fault object nearest github.com/Masterminds/sprig/v3
report:       std @values plan fleet api/v1alpha1 apimachinery
kin:          std object app health
preview:      std @values plan
substitute:   std fault object
restart:      std object app
schema:       std fault nearest object apimachinery
origin:       std object source go.yaml.in/yaml/v3
check:        std @values discover schema origin secret/sealed apimachinery go.yaml.in/yaml/v3
check/form:   std check
why:          std @values kin api/v1alpha1 apimachinery
starter:      std fault
migrate:      std object gotemplate go.yaml.in/yaml/v3
release:      std
helmrelease:  std fault object app release restart
candidate:    std
history:      std fault release
verify:       std @values release api/v1alpha1 apimachinery
gate:         std app release api/v1alpha1 apimachinery
notify:       std fault release report api/v1alpha1 apimachinery

# The shell: each talks to one thing outside.
render:       std ignore @values order helmrelease substitute restart secret schema gotemplate sigs.k8s.io/kustomize go.yaml.in/yaml/v3 sigs.k8s.io/yaml apimachinery helm.sh/helm/v4 github.com/santhosh-tekuri/jsonschema/v6 github.com/gobwas/glob
render/jsonnet: std system fault github.com/google/go-jsonnet
gotemplate:   std go.yaml.in/yaml/v3 sigs.k8s.io/yaml github.com/Masterminds/sprig/v3 github.com/BurntSushi/toml golang.org/x/crypto
git:          std system @values golang.org/x/crypto github.com/Masterminds/semver/v3
localtree:    std system source fault
registry:     std system fault source signature archive oras.land/oras-go/v2 github.com/opencontainers/go-digest github.com/opencontainers/image-spec github.com/Masterminds/semver/v3 github.com/ProtonMail/go-crypto go.yaml.in/yaml/v3
survey:       std @values discover schema origin check render golang.org/x/sync/errgroup go.yaml.in/yaml/v3
absent:       std apimachinery
cluster:      std system @values block absent plan pace apimachinery client-go
admission:    std block fault object absent apimachinery client-go
live:         std @values apimachinery client-go
kin/gather:   std @values kin absent apimachinery client-go golang.org/x/sync/errgroup
ledger:       std @values absent apimachinery client-go sigs.k8s.io/json
roster:       std slog absent apimachinery client-go
verifier:     std system @values release verify absent apimachinery client-go
herald:       std slog apimachinery client-go
webhook:      std system fault
forge:        std system fault
messenger:    std system fault notify absent api/v1alpha1 apimachinery client-go
lookout:      std @values render
gatekeeper:   std system @values verify gate api/v1alpha1
inquiry:      std net @values why absent apimachinery client-go
child:        std system
history/outbox: std system fault history
history/keeper: std slog fault history release github.com/prometheus/client_golang
history/store: std system fault history github.com/jackc/pgx/v5 modernc.org/sqlite
series:       std
gitserver:    std system source golang.org/x/crypto github.com/rogpeppe/go-internal/txtar

# One pass of the loop.
engine:       std slog @core golang.org/x/sync/errgroup

# Ways in, and what only they use.
install:      std fault api/crds apimachinery client-go sigs.k8s.io/yaml
controller:   any
demo:         any install
bench:        any install
cli:          any controller demo install
gen:          any cli

# The benchmark: what it measures is made, and what it measured is judged, without a cluster.
bench/workload: std sigs.k8s.io/yaml
bench/figures:  std

# Tests alone.
testkit:           any install golden
golden:            std system github.com/rogpeppe/go-internal
sim:               any controller
sim/mutation:       std system github.com/rogpeppe/go-internal
sim/kube:           std net/http apimachinery client-go k8s.io/kube-openapi sigs.k8s.io/structured-merge-diff/v6 sigs.k8s.io/json sigs.k8s.io/yaml gopkg.in/evanphx/json-patch.v4
sim/kube/kubetest:  std golden apimachinery client-go sigs.k8s.io/json sigs.k8s.io/yaml github.com/rogpeppe/go-internal
forge/forgetest:    std system forge
history/historytest: std history release fault pgregory.net/rapid github.com/google/go-cmp
registry/registrytest: std system oras.land/oras-go/v2 github.com/opencontainers/go-digest github.com/opencontainers/image-spec github.com/google/go-containerregistry
source/sourcetest: std source archive fault github.com/rogpeppe/go-internal/txtar
`

var groups = map[string][]string{
	"@values": {"fault", "nearest", "strict", "contest", "source", "object", "release", "app", "diff", "fingerprint", "health", "order", "observed"},
	"@core":   {"fault", "nearest", "strict", "contest", "source", "object", "release", "app", "diff", "fingerprint", "health", "order", "observed", "plan", "fleet", "discover", "report", "schema", "kin", "why", "block", "starter", "restart"},
	"client-go": {
		"k8s.io/client-go", "k8s.io/api", "k8s.io/apiextensions-apiserver", "sigs.k8s.io/controller-runtime",
	},
	"apimachinery": {"k8s.io/apimachinery"},
	"system":       outside,
	"slog":         {"log/slog"},
}

var outside = []string{"os", "os/exec", "net", "net/http", "log/slog"}

var waysIn = []string{"cli", "controller", "demo", "install", "gen", "testkit", "golden", "bench", "sim"}

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath    string
	Imports, Deps []string
	Standard      bool
}

func TestImports(t *testing.T) {
	rules := parse(t)
	used := map[string]bool{}
	for _, p := range list(t) {
		name, ok := strings.CutPrefix(p.ImportPath, module+"internal/")
		if !ok {
			continue
		}
		rule := longest(rules, name)
		if rule == "" {
			t.Errorf("internal/%s is not in the table of this test: say what it may import", name)
			continue
		}
		used[rule] = true
		for _, path := range p.Imports {
			if own := module + "internal/" + rule; path == own || strings.HasPrefix(path, own+"/") {
				continue
			}
			if !allowed(rules[rule], path) {
				t.Errorf("internal/%s imports %s: the table allows it %s", name, strings.TrimPrefix(path, module), strings.Join(rules[rule], " "))
			}
		}
		if !slices.Contains(groups["@core"], rule) && rule != "engine" {
			continue
		}
		for _, path := range p.Deps {
			if under(path, "k8s.io/client-go") || under(path, "sigs.k8s.io/controller-runtime") {
				t.Errorf("internal/%s is of the core, and depends on %s", name, path)
			}
		}
	}
	for rule := range rules {
		if !used[rule] {
			t.Errorf("the table has a rule for %s, which is no package", rule)
		}
	}
}

func parse(t *testing.T) map[string][]string {
	t.Helper()
	rules := map[string][]string{}
	for line := range strings.SplitSeq(table, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, words, ok := strings.Cut(line, ":")
		if !ok || rules[name] != nil {
			t.Fatalf("the table is malformed, or says it twice: %s", line)
		}
		rules[name] = strings.Fields(words)
	}
	return rules
}

// list asks Go for the packages of this module, as they are built for Linux.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps,Standard", module+"internal/...")
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// longest returns the rule for a package: the longest name that its path is under.
func longest(rules map[string][]string, name string) string {
	best := ""
	for rule := range rules {
		if under(name, rule) && len(rule) > len(best) {
			best = rule
		}
	}
	return best
}

func under(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func allowed(words []string, path string) bool {
	own, ours := strings.CutPrefix(path, module)
	own = strings.TrimPrefix(own, "internal/")
	standard := !ours && !strings.Contains(strings.Split(path, "/")[0], ".")
	for _, w := range words {
		switch {
		case w == "std":
			if standard && !slices.Contains(outside, path) {
				return true
			}
		case w == "any":
			if !ours || !slices.ContainsFunc(waysIn, func(way string) bool { return under(own, way) }) {
				return true
			}
		case groups[w] != nil:
			for _, g := range groups[w] {
				if ours && under(own, g) || !ours && (standard && path == g || !standard && under(path, g)) {
					return true
				}
			}
		case ours && under(own, w), !ours && under(path, w):
			return true
		}
	}
	return false
}

// TestTable holds the table's words to what they say.
func TestTable(t *testing.T) {
	for _, c := range []struct {
		words, path string
		want        bool
	}{
		{"std", "net/url", true},
		{"std", "net/http", false},
		{"std", "os", false},
		{"std system", "os/exec", true},
		{"std system", "k8s.io/client-go/rest", false},
		{"slog", "log/slog", true},
		{"client-go", "k8s.io/client-go/rest", true},
		{"apimachinery", "k8s.io/apimachinery/pkg/types", true},
		{"apimachinery", "k8s.io/apimachineryx", false},
		{"@values", module + "internal/object", true},
		{"@values", module + "internal/objects", false},
		{"@values", module + "internal/plan", false},
		{"api/v1alpha1", module + "api/v1alpha1", true},
		{"any", module + "internal/engine", true},
		{"any", module + "internal/cli", false},
		{"any", "github.com/spf13/cobra", true},
	} {
		if got := allowed(strings.Fields(c.words), c.path); got != c.want {
			t.Errorf("%q allows %s: %t, want %t", c.words, c.path, got, c.want)
		}
	}
}
