package why_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/why"
)

var now = time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)

// world answers what is asked from the files of an archive: the objects of cluster.yaml; "denied" and "dead", each line the beginning of an ask, or all of it
// and a semicolon, and why; and "logs", the asks and the lines that come back, indented.
type world struct {
	objects []object.Object
	denied  []string
	dead    string
	logs    map[string][]string
}

func read(t *testing.T, ar *txtar.Archive) world {
	t.Helper()
	w := world{logs: map[string][]string{}}
	at := ""
	for _, f := range ar.Files {
		switch f.Name {
		case "cluster.yaml":
			var err error
			if w.objects, err = object.Parse(f.Name, f.Data); err != nil {
				t.Fatal(err)
			}
		case "denied":
			w.denied = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		case "dead":
			w.dead = strings.TrimSpace(string(f.Data))
		case "logs":
			for line := range strings.Lines(string(f.Data)) {
				if text, ok := strings.CutPrefix(line, "  "); ok {
					w.logs[at] = append(w.logs[at], text)
				} else {
					at = strings.TrimSpace(line)
				}
			}
		}
	}
	return w
}

func (w world) reply(a why.Ask) why.Reply {
	if w.dead != "" {
		return why.Reply{Dead: true, Trouble: w.dead}
	}
	for _, d := range w.denied {
		if strings.HasPrefix(a.String()+";", d) {
			return why.Reply{Denied: true}
		}
	}
	if a.Verb == why.Log {
		if lines, ok := w.logs[a.String()]; ok {
			return why.Reply{Lines: lines}
		}
		return why.Reply{Trouble: "there is none"}
	}
	return why.Reply{Objects: w.matching(a)}
}

func (w world) matching(a why.Ask) (out []object.Object) {
	for _, o := range w.objects {
		k := o.Key()
		is := false
		switch a.Verb {
		case why.Get:
			is = k == a.Key
		case why.List:
			s, err := labels.Parse(a.Selector)
			set, _ := o.At("metadata", "labels").(map[string]any)
			is = err == nil && k.GroupKind() == a.Key.GroupKind() && (k.Namespace == a.Key.Namespace || a.Key.Namespace == "") && s.Matches(texts(set))
		case why.Events:
			is = k.Kind == "Event" && o.Text("involvedObject", "kind") == a.Key.Kind && o.Text("involvedObject", "name") == a.Key.Name
		case why.Log:
		}
		if is {
			out = append(out, o)
		}
	}
	return out
}

func texts(m map[string]any) labels.Set {
	s := labels.Set{}
	for k, v := range m {
		s[k] = fmt.Sprint(v)
	}
	return s
}

// explain asks on until the answer needs nothing more, and returns what was asked, a line for each time.
func explain(t *testing.T, w world, f why.Facts) (why.Answer, string) {
	t.Helper()
	var rounds strings.Builder
	a := why.Explain(f, now)
	for range 9 {
		if len(a.Asks) == 0 {
			return a, rounds.String()
		}
		var asked []string
		for _, ask := range a.Asks {
			if _, twice := f.Replies[ask]; twice {
				t.Fatalf("%s is asked twice", ask)
			}
			asked = append(asked, ask.String())
		}
		for _, ask := range slices.Compact(a.Asks) {
			f.Take(ask, w.reply(ask))
		}
		rounds.WriteString(strings.Join(asked, "; ") + "\n")
		a = why.Explain(f, now)
	}
	t.Fatalf("it never ends asking: %v", a.Asks)
	return a, ""
}

// TestAnswers: a file holds what a cluster has, and what is said of App shop/prod-web then.
func TestAnswers(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		a, asked := explain(t, read(t, ar), why.Facts{Namespace: "shop", Name: "prod-web", Environment: "prod", App: "web"})
		golden.Set(ar, "asked", asked)
		golden.Set(ar, "answer", fmt.Sprintf("[%s]\n%s", a.State, a.Text(now)))
		if lines := strings.Count(a.Text(now), "\n"); lines > 14 {
			t.Errorf("%d lines are too many to read", lines)
		}
	})
}
