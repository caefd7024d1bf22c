package gate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/gate"
	"github.com/fairlead-cd/fairlead/internal/golden"
)

var web = gate.Subject{
	Namespace: "shop", Environment: "production", App: "web", Commit: commit("1a2b"), Digest: "d1", Author: "Ann@Example.com",
}

// commit is a full commit id that begins so.
func commit(short string) string { return short + strings.Repeat("0", 40-len(short)) }

// TestStories tells how gates open and close. A line of a story is a time, and after it what happens then.
func TestStories(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		s := story{t: t, subject: web, facts: gate.Facts{Soaks: map[string]gate.Soak{}, Answers: map[string]gate.Answer{}}}
		if err := yaml.UnmarshalStrict(ar.Files[0].Data, &s.gates); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(ar.Files[1].Data)) {
			if line = strings.TrimSpace(line); line != "" {
				s.line(line)
			}
		}
		golden.Set(ar, "told", s.told.String())
	})
}

type story struct {
	t       *testing.T
	gates   []v1alpha1.Gate
	subject gate.Subject
	facts   gate.Facts
	now     time.Time
	told    strings.Builder
}

func (s *story) line(line string) {
	words := strings.Fields(line)
	s.now = s.time(words[0])
	fmt.Fprintf(&s.told, "%s\n", line)
	if len(words) > 1 {
		with := map[string]string{}
		for _, w := range words[2:] {
			key, value, _ := strings.Cut(w, "=")
			with[key] = strings.ReplaceAll(value, "_", " ")
		}
		s.happens(words[1], with)
	}
	for _, j := range gate.Judge(s.gates, s.subject, s.facts, s.now) {
		text := j.Name + " " + map[bool]string{true: "open", false: "closed: " + j.Waits}[j.Open]
		if j.Because != "" {
			text += ": " + j.Because
		}
		if !j.Until.IsZero() {
			text += " (again at " + j.Until.UTC().Format(time.RFC3339) + ")"
		}
		fmt.Fprintf(&s.told, "\t%s\n", text)
	}
}

func (s *story) time(text string) time.Time {
	if d, err := time.ParseDuration(text); err == nil {
		return s.now.Add(d)
	}
	for _, layout := range []string{"2006-01-02T15:04Z07:00", time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	s.t.Fatalf("%q is no time", text)
	return time.Time{}
}

func (s *story) happens(what string, with map[string]string) {
	or := func(key, otherwise string) string {
		if v, ok := with[key]; ok {
			return v
		}
		return otherwise
	}
	by := v1alpha1.Signatory{User: with["by"]}
	if with["groups"] != "" {
		by.Groups = strings.Split(with["groups"], ",")
	}
	about := metav1.ObjectMeta{
		Namespace: or("namespace", "shop"), Name: fmt.Sprintf("a%d", len(s.facts.Approvals)+len(s.facts.Overrides)), CreationTimestamp: metav1.NewTime(s.now),
	}
	expires := metav1.NewTime(s.time(or("for", "24h")))
	environment, app, of := or("environment", "production"), or("app", "web"), or("commit", "1a2b")
	if of != "" {
		of = commit(of)
	}
	switch what {
	case "approve":
		s.facts.Approvals = append(s.facts.Approvals, v1alpha1.Approval{ObjectMeta: about, Spec: v1alpha1.ApprovalSpec{
			Environment: environment, App: app, Commit: of, Digest: with["digest"], Author: or("author", "ann@example.com"), By: by, Expires: expires,
		}})
	case "override":
		o := v1alpha1.OverrideSpec{Environment: environment, App: app, Commit: of, By: by, Reason: or("reason", "INC-42"), Expires: expires}
		if with["gates"] != "" {
			o.Gates = strings.Split(with["gates"], ",")
		}
		s.facts.Overrides = append(s.facts.Overrides, v1alpha1.Override{ObjectMeta: about, Spec: o})
	case "withdraw":
		s.facts.Approvals, s.facts.Overrides = nil, nil
	case "wants":
		s.subject.Commit, s.subject.Digest, s.subject.Author = of, or("digest", "d1"), or("author", s.subject.Author)
	case "soak":
		k := gate.Soak{Sick: with["sick"]}
		if with["at"] != "" {
			k.Commit = commit(with["at"])
		}
		if with["since"] != "" {
			k.Since = s.time(with["since"])
		}
		if with["ended"] != "" {
			k.Ended = s.time(with["ended"])
		}
		s.facts.Soaks[with["in"]] = k
	case "answer":
		for _, g := range s.gates {
			if gate.Name(g) == with["gate"] {
				s.facts.Answers[gate.Key(g)] = gate.Answer{Open: with["open"] == "true", Waits: with["waits"], Until: s.time(or("until", "0s"))}
			}
		}
	default:
		s.t.Fatalf("nobody knows what %q is", what)
	}
}
