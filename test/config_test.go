package test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/series"
)

var (
	metricName = regexp.MustCompile(`\b(fairlead|process)_[a-z_]+`)
	selector   = regexp.MustCompile(`\b((?:fairlead|process)_[a-z_]+)\{([^}]*)\}`)
	labelName  = regexp.MustCompile(`([a-z_]+)\s*(=|!=|=~|!~)"`)
	grouped    = regexp.MustCompile(`\b(?:by|on) \(([a-z_, ]+)\)`)
)

// TestConfig has a controller with an app that is well, one that is broken and a hand edit, and looks for every metric and label that the alerts and the
// dashboard speak of.
func TestConfig(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For string
				Labels           map[string]string
				Annotations      map[string]string
			}
		}
	}
	parse(t, "../config/prometheus/alerts.yaml", func(data []byte) error { return yaml.UnmarshalStrict(data, &rules) })
	exprs := map[string]string{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			exprs[r.Alert] = r.Expr
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Annotations["runbook"] == "" {
				t.Errorf("alert %s says too little: %+v", r.Alert, r)
			}
		}
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	parse(t, "../config/grafana/fairlead.json", func(data []byte) error { return json.Unmarshal(data, &board) })
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			exprs[p.Title] += " " + q.Expr
		}
	}
	if len(exprs) < 20 {
		t.Fatalf("only %d expressions are looked at", len(exprs))
	}

	w := newWorld(t)
	p := w.place(t, "config")
	p.begin(nil, []string{"web"}, write("apps/web", "a"), gitserver.Write("apps/broken/a.yaml", "kind: [\n"))
	p.guarded("a")
	p.phase("prod-broken", "Failed")
	all, err := w.ctl.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]map[string]bool{} // by metric: its labels
	for s := range all {
		name, labels := series.Split(s)
		if served[name] == nil {
			served[name] = map[string]bool{}
		}
		for l := range labels {
			served[name][l] = true
		}
	}
	for where, expr := range exprs {
		known := map[string]bool{}
		for _, name := range metricName.FindAllString(expr, -1) {
			if served[name] == nil {
				t.Errorf("%s: the controller has no metric %s", where, name)
			}
			for l := range served[name] {
				known[l] = true
			}
		}
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
				if !served[m[1]][l[1]] && l[1] != "job" && l[1] != "instance" {
					t.Errorf("%s: metric %s has no label %s", where, m[1], l[1])
				}
			}
		}
		for _, m := range grouped.FindAllStringSubmatch(expr, -1) {
			for _, l := range strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				if !known[l] {
					t.Errorf("%s: nothing in it has a label %s", where, l)
				}
			}
		}
	}
	if t.Failed() {
		t.Logf("%d metrics are served", len(served))
	}
}

func parse(t *testing.T, path string, into func([]byte) error) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = into(data)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
