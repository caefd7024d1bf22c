package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/store"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestHistoryStore has a PostgreSQL that is not there when the controller starts, comes, and goes again: apps are synced all the same, and who asks is answered,
// or told why not. What happened meanwhile is on record afterwards.
func TestHistoryStore(t *testing.T) {
	t.Parallel()
	server := testkit.StartPostgres(t)
	address := server.Database(t)
	server.Stop()
	plane := testkit.Start(t, testkit.Options{NoControllers: true})
	w := world{home: t, plane: plane, ctl: plane.Controller(t, testkit.ControllerOptions{Args: []string{"--history=" + address}})}
	p := w.place(t, "history-store")
	ask := func(args ...string) (string, error) {
		args = append(args, "-n", p.Namespace, "--server", "http://"+w.ctl.Addr())
		cmd := exec.CommandContext(t.Context(), testkit.Binary(t, "fairlead"), args...)
		cmd.Env = append(cmd.Environ(), "KUBECONFIG="+plane.Kubeconfig)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	p.begin(nil, []string{"web"}, write("apps/web", "ha")) // it is synced though there is no store
	if out, err := ask("history"); err == nil || !strings.Contains(out, "error: no records: ") {
		t.Errorf("a store that is not there: %v, %s", err, out)
	}
	server.Start(t)
	testkit.Eventually(t, func(context.Context) error {
		if out, err := ask("history", "-o", "json"); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	other, err := store.Open(t.Context(), address) // as another replica
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	sent := history.Record{
		Time: time.Now().Add(-time.Hour), Kind: history.Suspension, Key: "a test's", Namespace: p.Namespace, Environment: "prod", App: "web", Who: "ada", Why: "migration",
	}
	foreign := sent
	foreign.Key, foreign.Namespace = "another test's", "elsewhere"
	if _, err := other.Append(t.Context(), []history.Record{sent, foreign}); err != nil {
		t.Fatal(err)
	}
	out, err := ask("history", "prod/web", "--kind", "Suspension", "-o", "json")
	var got struct{ Records []history.Record }
	if err == nil {
		err = json.Unmarshal([]byte(out), &got)
	}
	if err != nil || len(got.Records) != 1 || got.Records[0].Who != "ada" || got.Records[0].Namespace != p.Namespace {
		t.Errorf("what another replica stored: %v, %s", err, out)
	}
	file := filepath.Join(t.TempDir(), "h.ndjson")
	cmd := exec.CommandContext(t.Context(), testkit.Binary(t, "fairlead"), "history", "backup", file, "--server", "http://"+w.ctl.Addr(), "--kubeconfig", plane.Kubeconfig)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("a backup from the controller: %v, %s", err, out)
	}
	server.Stop()
	if out, err := ask("history"); err == nil || !strings.Contains(out, "error: ") {
		t.Errorf("a store that went: %v, %s", err, out)
	}
	p.push(write("apps/web", "ha", "hb"))
	p.synced("prod-web")
	server.Start(t)
	testkit.Eventually(t, func(context.Context) error {
		if out, err := ask("at", "1m"); err != nil || !strings.Contains(out, "suspended") {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	// What happened while there was no store is on record, once, and nothing was changed.
	var all []string
	testkit.Eventually(t, func(context.Context) error {
		out, err := ask("history", "prod/web", "--kind", "Release", "-o", "json")
		var got struct{ Records []history.Record }
		if err == nil {
			err = json.Unmarshal([]byte(out), &got)
		}
		all = nil
		for _, r := range got.Records {
			all = append(all, fmt.Sprint(r.Serial, " ", r.Phase))
		}
		if err == nil && !slices.Contains(all, "2 Succeeded") {
			err = fmt.Errorf("on record is %v", all)
		}
		return err
	})
	var want []string
	for _, serial := range []string{"1 ", "2 "} {
		for _, phase := range []string{"Applying", "Succeeded"} { // nobody waited for anything
			want = append(want, serial+phase)
		}
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("releases on record (-want +got):\n%s", diff)
	}
	// A store that can be read, and takes nothing: who asks is told that this is not all.
	server.ReadOnly(t, true)
	p.push(write("apps/web", "ha", "hb", "hc"))
	p.synced("prod-web")
	const warning = "warning: not all is on record yet: "
	testkit.Eventually(t, func(context.Context) error {
		if out, err := ask("history", "prod/web"); err != nil || !strings.Contains(out, warning) || strings.Contains(out, "Release 3") {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	server.ReadOnly(t, false)
	testkit.Eventually(t, func(context.Context) error {
		if out, err := ask("history", "prod/web"); err != nil || strings.Contains(out, warning) || !strings.Contains(out, "Release 3 Succeeded") {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if v, err := other.Verify(t.Context()); err != nil {
		t.Errorf("%+v, %v", v, err)
	}
}
