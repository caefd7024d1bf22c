package demo

import (
	"cmp"
	"context"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// addresses prints how it all stands, what was measured, and where to look further.
func (st *stage) addresses(t *tour) {
	s := st.screen
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if now, err := t.now(ctx); err == nil {
		s.head("How it stands", "")
		s.table(rows(now))
	}
	if len(t.figures) > 0 {
		s.head("Measured on this machine", "")
		var lines [][]string
		for _, f := range t.figures {
			lines = append(lines, []string{f.name, f.String()})
		}
		s.table(append([][]string{{"what", "time"}}, lines...))
	}
	if st.options.Exit {
		return
	}
	s.head("Running: try it", "")
	s.table([][]string{
		{"", ""},
		{"cluster", "export KUBECONFIG=" + st.kubeconfig},
		{"kubectl", st.kubectl() + " get apps -A"},
		{"Git", "git clone " + st.git.url() + "     (push to branch main)"},
		{"clone of Ada", st.git.clone},
		{"metrics", st.address + "/metrics"},
		{"log", filepath.Join(st.dir, "controller.log")},
		{"to stop", "Ctrl-C"},
	})
}

// kubectl is how kubectl is called: the one that devcluster holds, if the cluster is its own.
func (st *stage) kubectl() string {
	if st.options.Kubeconfig != nil {
		return "kubectl"
	}
	return st.options.Devcluster + " kubectl"
}

// rows are the apps as a table.
func rows(all apps) [][]string {
	out := [][]string{{"APP", "PHASE", "HEALTH", "APPLIED", "SUBJECT", "REASON"}}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		st := all[name].Status
		out = append(out, []string{
			name, cmp.Or(string(st.Phase), "-"), cmp.Or(st.Health, "-"), cmp.Or(st.Applied.Short, "-"), clip(st.Applied.Subject, 34), clip(st.Reason, 60),
		})
	}
	return out
}
