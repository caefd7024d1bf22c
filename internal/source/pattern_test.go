package source_test

import (
	"testing"

	"github.com/fairlead-cd/fairlead/internal/source"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern source.Pattern
		name    string
		want    source.Ref
	}{
		{source.Pattern{Branch: "candidate/*"}, "refs/heads/candidate/a/b", source.Ref{Branch: "candidate/a/b"}},
		{source.Pattern{Branch: "candidate/*"}, "refs/heads/candidate/", source.Ref{}},
		{source.Pattern{Branch: "candidate/*"}, "refs/tags/candidate/a", source.Ref{}},
		{source.Pattern{Branch: "a*a"}, "refs/heads/aa", source.Ref{}},
		{source.Pattern{Branch: "a*a"}, "refs/heads/aba", source.Ref{Branch: "aba"}},
		{source.Pattern{Branch: "next"}, "refs/heads/next", source.Ref{Branch: "next"}},
		{source.Pattern{Branch: "next"}, "refs/heads/nextone", source.Ref{}},
		{source.Pattern{Tag: "v*"}, "refs/tags/v1", source.Ref{Tag: "v1"}},
		{source.Pattern{Tag: "v*"}, "refs/heads/v1", source.Ref{}},
		{source.Pattern{}, "refs/heads/main", source.Ref{}},
	} {
		got, ok := c.pattern.Ref(c.name)
		if ok != (c.want != source.Ref{}) || ok && got != c.want {
			t.Errorf("%+v of %s: %+v, %v", c.pattern, c.name, got, ok)
		}
	}
}
