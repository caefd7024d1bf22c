package testkit_test

import (
	"context"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestKit is the example of the package comment, and a restart.
func TestKit(t *testing.T) {
	plane := testkit.Start(t, testkit.Options{Audit: true})
	git := testkit.StartGit(t, gitserver.Options{})
	ctl := plane.Controller(t, testkit.ControllerOptions{})
	shop := plane.Tenant(t, "shop", git)
	flags := func(theme string) gitserver.Change {
		return gitserver.Write("apps/web/flags.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\ndata: {theme: "+theme+"}\n")
	}
	git.Commit(t, "main", "first", flags("light"))
	shop.Environment(t, "prod", "apps/*", nil)
	shop.Synced(t, ctl, "prod", "web")

	ctl.Kill()
	git.Commit(t, "main", "second", flags("dark"))
	ctl.Start(t)
	shop.Synced(t, ctl, "prod", "web")
	if got, err := plane.Objects.Field(t.Context(), "shop", "configmap/flags", ".data.theme"); err != nil || got != "dark" {
		t.Errorf("theme is %q, %v; want dark", got, err)
	}

	if err := plane.Objects.Patch(t.Context(), "kubectl-edit", "shop", "cm/flags", `{data: {theme: pink}}`, ""); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		return shop.Is(ctx, "cm/flags", ".data.theme", "dark")
	})
	if lines, _, err := plane.Audit(0); err != nil || len(lines) == 0 {
		t.Errorf("audit log has %d lines, %v", len(lines), err)
	}
}
