package object_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/object"
)

func TestTwiceIn(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: 2\n":                                      "",
		"a: 1\nb: 2\na: 3\na: 4\n":                          "a 1 3:1, a 1 4:1",
		"a:\n  b: 1\n  b: 2\nc: {b: 1}\n":                   "a.b 2 3:3",
		"- {a: 1, a: 2}\n":                                  "[0].a 1 1:10",
		"x: &x {a: 1, a: 2}\ny: *x\nz: *x\n":                "x.a 1 1:14",
		"a: {<<: {b: 1}, <<: {b: 2}}\n":                     "",
		"1: a\n\"1\": b\n":                                  "1 1 2:1",
		"{{ .Values.a }}: 1\n{{ .Values.a }}: 2":            "",
		strings.Repeat("[", 500) + strings.Repeat("]", 500): "",
	} {
		docs, err := object.Documents("a.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%.40q: %v", text, err)
		}
		var got []string
		for _, d := range docs {
			for _, w := range object.TwiceIn(d) {
				got = append(got, fmt.Sprintf("%s %d %d:%d", object.Object{}.Show(w.Path), w.First, w.Line, w.Column))
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%.40q: got %q, want %q", text, got, want)
		}
	}
}
