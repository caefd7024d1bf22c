package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/golden"
)

// forms are the ways in which a listing is shown, by the name of the expectation.
var forms = map[string]listing{
	"want/plain":      {},
	"want/wide":       {wide: true},
	"want/namespaces": {namespaces: true},
	"want/narrow":     {style: style{width: 100}},
	"want/coloured":   {style: style{colours: true}},
}

// TestListing runs testdata/listing/*.txtar.
func TestListing(t *testing.T) {
	golden.Run(t, "testdata/listing/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		s := parse(t, ar.Files[0].Data)
		ar.Files = ar.Files[:1]
		for _, name := range []string{"want/plain", "want/wide", "want/namespaces", "want/narrow", "want/coloured"} {
			l := forms[name]
			l.now = time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
			var b bytes.Buffer
			if err := l.print(&b, s); err != nil {
				t.Fatal(err)
			}
			golden.Set(ar, name, strings.ReplaceAll(b.String(), "\x1b", "^"))
		}
	})
}

func parse(t *testing.T, data []byte) selection {
	t.Helper()
	var s selection
	for doc := range strings.SplitSeq(string(data), "---\n") {
		var env v1alpha1.Environment
		var app v1alpha1.App
		var err error
		if strings.HasPrefix(doc, "kind: Environment\n") {
			err = yaml.UnmarshalStrict([]byte(doc), &env)
			s.envs = append(s.envs, env)
		} else {
			err = yaml.UnmarshalStrict([]byte(doc), &app)
			s.apps = append(s.apps, app)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestCode holds the exit codes of states.
func TestCode(t *testing.T) {
	for _, c := range []struct {
		in   standings
		want int
	}{
		{standings{}, codeDone},
		{standings{ready: 3}, codeDone},
		{standings{ready: 3, held: 1}, codeHeld},
		{standings{ready: 3, held: 1, failed: 1}, codeFailed},
		{standings{ready: 3, underway: 1}, codeFailed},
		{standings{suspended: 1}, codeFailed},
	} {
		if got := c.in.code(); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.in, got, c.want)
		}
	}
}

func TestEnvironmentReason(t *testing.T) {
	for ago, want := range map[time.Duration]string{0: "not looked at yet", time.Minute: "not looked at yet: is the controller running?"} {
		e := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(time.Now().Add(-ago))}}
		if got := environmentReason(e); got != want {
			t.Errorf("of one that is %s old: %q, want %q", ago, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	var s selection
	for _, ar := range golden.All(t, "testdata/listing/shop.txtar") {
		s = parse(t, ar.Files[0].Data)
	}
	repo := v1alpha1.Repository{}
	repo.Name = "config"
	f := &fleet{envs: s.envs, apps: s.apps, repos: []v1alpha1.Repository{repo}, where: "namespace shop"}
	f.elsewhere = func() (*fleet, error) {
		all := &fleet{where: "any namespace"}
		for _, namespace := range []string{"yard", "till"} {
			all.envs = append(all.envs, v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "books"}})
		}
		return all, nil
	}
	for name, want := range map[string]string{
		"production":     "environment production",
		"production/web": "app production/web",
		"production-web": "app production/web",
		"config":         "repository config",
		"prodution":      `there is no environment, app or repository "prodution": did you mean "production"?`,
		"production/wbe": `there is no environment, app or repository "production/wbe": did you mean "production/web"?`,
		"xyz":            `there is no environment, app or repository "xyz" in namespace shop: 'fairlead status -A' shows all there are`,
		"web":            `there is no environment, app or repository "web": did you mean "production/web"?`,
		"books":          `there is no environment, app or repository "books" in namespace shop, but there is in till, yard: -n names the namespace`,
	} {
		got := ""
		s, err := f.find(name, kinds{envs: true, apps: true, repos: true})
		if err != nil {
			got = err.Error()
		} else {
			got = (&syncing{what: s}).title()
		}
		if got != want {
			t.Errorf("find %s: %s; want %s", name, got, want)
		}
	}
	all, err := f.findAll([]string{"production/web", "production", "production-web"}, kinds{envs: true, apps: true})
	if err != nil || len(all.envs) != 1 || len(all.apps) != 5 {
		t.Errorf("an app that is named twice: %d environments, %d apps, %v", len(all.envs), len(all.apps), err)
	}
}
