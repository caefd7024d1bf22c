package test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/source"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// besides is how often TestBesideASickApp releases ten apps with a sick one among them, and how often without.
var besides = flag.Int("besides", 3, "how often TestBesideASickApp releases ten apps, each way")

// TestBesideASickApp releases ten apps at once, of which one does not get healthy. The others succeed while it is on its way; how long they take, with and
// without it, is printed.
func TestBesideASickApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.place(t, "beside")
	names := []string{"app-0", "app-1", "app-2", "app-3", "app-4", "app-5", "app-6", "app-7", "app-8", "app-9"}
	well, sick := names[:9], names[9]
	all := func(image, fails string) (changes []gitserver.Change) {
		for _, n := range names {
			how := ""
			if n == sick {
				how = fails
			}
			changes = append(changes, gitserver.Write("apps/"+n+"/web.yaml", deploymentOf(n, image, how)))
		}
		return changes
	}
	p.begin(map[string]any{"release": map[string]any{"deadline": "1h"}}, names, all("web:0", "")...)
	pushed := map[source.Commit]time.Time{}
	release := func(fails string, apps []string) source.Commit {
		c := p.Git.Commit(t, "main", "all ten", all(fmt.Sprintf("web:%d", len(pushed)+1), fails)...)
		pushed[c] = time.Now()
		p.hook()
		for _, a := range apps {
			p.released(a, c, "Succeeded")
		}
		return c
	}
	var with, without []source.Commit
	for range *besides {
		without = append(without, release("", names))
		c := release("CrashLoopBackOff", well)
		p.released(sick, c, "Progressing")
		with = append(with, c)
	}
	took := p.took(pushed, well)
	t.Logf("nine apps of ten that are released at once have succeeded after %s (median of %d; %s), and after %s if the tenth does not get healthy (%s)",
		middle(took, without), *besides, every(took, without), middle(took, with), every(took, with))
}

// deploymentOf is the Deployment of an app of its own.
func deploymentOf(name, image, fail string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}%[3]s}
    spec: {containers: [{name: web, image: %[2]q}]}
`, name, image, podFails(fail))
}

// released waits until the release of a commit is in a phase.
func (p place) released(app string, c source.Commit, phase string) {
	p.t.Helper()
	testkit.Eventually(p.t, func(ctx context.Context) error {
		st, err := p.statusNow(ctx, "prod-"+app)
		if err == nil && (st.Release == nil || !strings.HasSuffix(st.Release.Revision, string(c)) || st.Release.Phase != phase) {
			err = fmt.Errorf("the release of %s is %+v, want %s of %s", app, st.Release, phase, c.Short())
		}
		return err
	})
}

// took is how long after its push the last of some apps had succeeded with a commit, as the history has it.
func (p place) took(pushed map[source.Commit]time.Time, apps []string) map[source.Commit]time.Duration {
	p.t.Helper()
	out := map[source.Commit]time.Duration{}
	testkit.Eventually(p.t, func(context.Context) error {
		text, err := p.tries("history", "prod", "--kind", "Release", "--limit", "100000", "-o", "json", "--server", "http://"+p.ctl.Addr())
		if err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
		var got struct{ Records []history.Record }
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			return err
		}
		clear(out)
		n := 0
		for _, r := range got.Records {
			began, ok := pushed[source.Commit(r.Want.Commit)]
			if ok && r.Phase == "Succeeded" && slices.Contains(apps, r.App) {
				out[source.Commit(r.Want.Commit)] = max(out[source.Commit(r.Want.Commit)], r.Time.Sub(began))
				n++
			}
		}
		if want := len(pushed) * len(apps); n != want {
			return fmt.Errorf("%d successes are on record, want %d", n, want)
		}
		return nil
	})
	return out
}

func times(took map[source.Commit]time.Duration, of []source.Commit) (all []time.Duration) {
	for _, c := range of {
		all = append(all, took[c].Round(time.Millisecond))
	}
	slices.Sort(all)
	return all
}

func middle(took map[source.Commit]time.Duration, of []source.Commit) time.Duration {
	return times(took, of)[len(of)/2]
}

func every(took map[source.Commit]time.Duration, of []source.Commit) string {
	return strings.Trim(fmt.Sprint(times(took, of)), "[]")
}
