package migrate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/gotemplate"
)

// templates are how an ApplicationSet writes them: as Go templates, or as names in braces.
type templates struct {
	goTemplate bool
	strict     bool // what has no value is an error in a Go template, too
}

var word = regexp.MustCompile(`\{\{([^{}]*)\}\}`)

// fill puts params in where the texts of a value name them. Without strict, a name that has no value stays.
func (t templates) fill(v any, p params) (any, error) {
	switch v := v.(type) {
	case string:
		return t.text(v, p)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			var err error
			if out[i], err = t.fill(e, p); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			name, err := t.text(k, p)
			if err != nil {
				return nil, err
			}
			if out[name], err = t.fill(v[k], p); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func (t templates) text(text string, p params) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	if t.goTemplate {
		const name = "template"
		out, err := gotemplate.Render([]gotemplate.File{{Name: name, Text: text, Values: p}}, gotemplate.Options{
			Strict: t.strict, Functions: map[string]any{"normalize": normalized, "slugify": slug},
		})
		if err != nil {
			return "", fmt.Errorf("%s is not understood: %w", text, err)
		}
		return out[name].Text, nil
	}
	return word.ReplaceAllStringFunc(text, func(w string) string {
		if v, ok := p[strings.TrimSpace(word.FindStringSubmatch(w)[1])].(string); ok {
			return v
		}
		return w
	}), nil
}

// slug is a text as a name of at most so many bytes, 50 if it is not said. Argo CD's arguments are: how many, whether to cut between words, and the text.
func slug(args ...any) string {
	most, text := 50, ""
	for _, a := range args {
		switch a := a.(type) {
		case int:
			most = a
		case string:
			text = a
		}
	}
	return label(text, max(most, 1))
}

// left is the first template that is left in a value.
func left(v any) string {
	switch v := v.(type) {
	case string:
		if i := strings.Index(v, "{{"); i >= 0 {
			return v[i:]
		}
	case []any:
		for _, e := range v {
			if l := left(e); l != "" {
				return l
			}
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if l := left(v[k]); l != "" {
				return l
			}
		}
	}
	return ""
}

// patched is a value with what a patch says over it: null removes, lists are replaced.
func patched(v, patch any) any {
	over, isMap := patch.(map[string]any)
	if !isMap {
		return patch
	}
	was, _ := v.(map[string]any)
	out := maps.Clone(was)
	if out == nil {
		out = map[string]any{}
	}
	for k, p := range over {
		if p == nil {
			delete(out, k)
			continue
		}
		out[k] = patched(out[k], p)
	}
	return out
}
