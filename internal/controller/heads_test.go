package controller

import (
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// TestTextsOfGit: what people write into commits and refs is one line that a terminal shows as it is.
func TestTextsOfGit(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b[31mred\x07 one\n\ttwo": "a [31mred one two",
		"pay \u202eeno\u202c\u200b":   "pay eno",
		"\xff\xfe":                    "?",
		"":                            "",
	} {
		if got := clipText(text, 100); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	if got := author(source.Author{Name: "Ann\u202e", Email: "ann@example.com"}); got != "Ann <ann@example.com>" {
		t.Errorf("the author is %q", got)
	}
}

// TestCandidatesOnRecord: a phase of which nothing is to be said is told by the ref alone.
func TestCandidatesOnRecord(t *testing.T) {
	k := &remembered{}
	c := &controller{history: k, now: noon.Local}
	env, src := &v1alpha1.Environment{}, v1alpha1.Source{Ref: v1alpha1.Ref{Branch: "main"}}
	for _, r := range []candidate.Candidate{
		{Ref: "candidate/one", Phase: candidate.Waiting}, {Ref: "candidate/one", Phase: candidate.Moved}, {Phase: candidate.Moving}, {Phase: candidate.Gone, Why: "it is gone"},
	} {
		c.recordCandidate(t.Context(), env, src, r)
	}
	for i, want := range []string{"candidate/one", "candidate/one: main has it", "", "it is gone"} {
		if got := k.records[i].Why; got != want {
			t.Errorf("record %d says %q, want %q", i, got, want)
		}
	}
}
