package test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// TestLargeObject has an object of nearly a megabyte that no compression makes smaller: as much as an API server takes. It is applied, guarded, changed, handed
// over and deleted like any other.
func TestLargeObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.place(t, "large")
	rnd := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // repeatable
	noise := make([]byte, 1000<<10)
	for i := range noise {
		noise[i] = byte('!' + rnd.IntN(90))
	}
	data, err := json.Marshal(string(noise))
	if err != nil {
		t.Fatal(err)
	}
	large := func(of string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large}\ndata:\n  of: %s\n  noise: %s\n", of, data)
	}
	p.begin(nil, []string{"web", "api"}, gitserver.Write("apps/web/large.yaml", large("git")), write("apps/web", "small"), write("apps/api", "other"))
	was := p.uids("configmap/large")
	p.guarded("large")
	p.push(gitserver.Write("apps/web/large.yaml", large("again")))
	testkit.Eventually(t, func(ctx context.Context) error { return p.Is(ctx, "configmap/large", ".data.of", "again") })
	p.synced("prod-web")
	p.push(gitserver.Rename("apps/web/large.yaml", "apps/api/large.yaml"))
	p.owned("prod-api", "configmap/large")
	p.synced("prod-web")
	p.synced("prod-api")
	p.kept(was)
	u, err := p.objs.Get(t.Context(), p.Namespace, "configmap/large")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := testkit.Field(u, ".data.noise"); got != string(noise) {
		t.Error("it is not what Git says")
	}
	if strings.Contains(w.ctl.Log(), string(noise[:100])) {
		t.Error("its content is in the log")
	}
	p.push(gitserver.Delete("apps/api/large.yaml"))
	p.gone("configmap/large")
	p.synced("prod-api")
}
