package demo

import (
	"context"
	"os/exec"
	"path/filepath"

	"github.com/fairlead-cd/fairlead/internal/child"
)

// summarise prints how it all stands and what was measured.
func (t *tour) summarise(ctx context.Context) {
	s := t.screen
	s.head("How it stands", "")
	s.command("fairlead status -n " + tenantNamespace)
	status := exec.CommandContext(ctx, t.options.Program, "status", "--kubeconfig", t.kubeconfig, "-n", tenantNamespace)
	status.Stdout, status.Stderr, status.SysProcAttr = t.options.Out, t.options.Err, child.Attributes()
	if err := status.Run(); err != nil {
		s.fail("fairlead status: " + err.Error())
	}
	if len(t.figures) == 0 {
		return
	}
	s.head("Measured on this machine", "")
	var rows [][2]string
	for _, f := range t.figures {
		rows = append(rows, [2]string{f.name, f.String()})
	}
	s.table(rows)
}

// addresses prints where to look further while all of it runs.
func (st *stage) addresses() {
	if st.options.Exit {
		return
	}
	s := st.screen
	s.head("All of it runs: try it", "")
	s.table([][2]string{
		{"cluster", "export KUBECONFIG=" + st.kubeconfig + " FAIRLEAD_SERVER=" + st.address},
		{"fairlead", st.options.Program + " history -n " + tenantNamespace + "     and status, at, dora, rollback: see --help"},
		{"its history", st.options.Program + " history verify --store sqlite:" + filepath.Join(st.dir, "controller", "history.db")},
		{"kubectl", st.kubectl() + " get apps -A"},
		{"Git", "git clone " + st.git.url() + "     and push to main"},
		{"Ada's clone", st.git.clone},
		{"metrics", st.address + "/metrics"},
		{"log", filepath.Join(st.dir, "controller.log")},
		{"stop", "Ctrl-C"},
	})
}

// kubectl is how kubectl is called: the one that devcluster holds, if the cluster is the demo's own.
func (st *stage) kubectl() string {
	if st.options.Kubeconfig != nil {
		return "kubectl"
	}
	return st.options.Devcluster + " kubectl"
}
