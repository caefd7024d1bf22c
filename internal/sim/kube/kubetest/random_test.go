package kubetest_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/fairlead-cd/fairlead/internal/sim/kube"
	"github.com/fairlead-cd/fairlead/internal/sim/kube/kubetest"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

var (
	seeds = flag.Int("seeds", 20, "how many random cases to send to both servers")
	seed  = flag.Uint64("seed", 1, "the first of them")
)

// requests is how long a random case is.
const requests = 40

// TestRandom sends random requests to a real server and to the simulated one: the answers are the same. A case that fails is made shorter before it is shown.
func TestRandom(t *testing.T) {
	now := time.Now()
	s := kube.New(kube.Options{Now: func() time.Time { return now }})
	p := &pair{
		real: plane(t, testkit.Options{NoControllers: true}),
		sim:  kubetest.Server{Client: s.Client("", "kubetest"), Discovery: s.Discovery("", "kubetest"), Settle: s.Settle},
	}
	kubetest.Prepare(t, p.real)
	kubetest.Prepare(t, p.sim)
	for i := range *seeds {
		n := *seed + uint64(i)
		ops := kubetest.Random(n, requests)
		how := p.differ(t, ops)
		if how == "" {
			continue
		}
		for at := len(ops) - 1; at >= 0; at-- {
			shorter := slices.Delete(slices.Clone(ops), at, at+1)
			if still := p.differ(t, shorter); still != "" {
				ops, how = shorter, still
			}
		}
		t.Errorf("seed %d: %d requests suffice:\n%s\n%s", n, len(ops), kubetest.Format(ops), how)
	}
}

// pair is a real server and the simulated one.
type pair struct {
	real, sim kubetest.Server
	plays     int
}

// differ plays requests on both and returns how the answers differ.
func (p *pair) differ(t *testing.T, ops []kubetest.Op) string {
	t.Helper()
	p.plays++
	ns := fmt.Sprintf("random-%d", p.plays)
	play := func(s kubetest.Server) string {
		kubetest.Namespace(t, s, ns)
		out, err := kubetest.Play(t.Context(), s, ns, ops)
		if err != nil {
			return out + err.Error()
		}
		return out
	}
	return string(diff.Diff("real", []byte(play(p.real)), "simulated", []byte(play(p.sim))))
}
