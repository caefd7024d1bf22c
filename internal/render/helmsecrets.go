package render

import (
	"cmp"
	"encoding/base64"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/secret/sops"
)

// hidden is a text of an encrypted file that a chart may use in Secrets alone: the rest of what it makes is shown in plans, diffs and events.
type hidden struct {
	file string
	sops.Text
	encoded string // base64
}

// hide remembers what of a file was encrypted: no object but a Secret may show it. Shorter texts than minConcealed are parts of words.
func (r *renderer) hide(name string) {
	if r.secrets == nil || r.secrets.files[name] == nil {
		return
	}
	add := func(path, text string) {
		r.hidden = append(r.hidden, hidden{name, sops.Text{Path: path, Value: text}, base64.StdEncoding.EncodeToString([]byte(text))})
	}
	for _, t := range r.secrets.files[name].texts {
		text := strings.TrimSpace(t.Value)
		if len(text) < minConcealed {
			continue
		}
		add(t.Path, text)
		if !strings.Contains(text, "\n") {
			continue
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); len(line) >= stretch {
				add(t.Path, line)
			}
		}
	}
}

// shows refuses an object other than a Secret that shows what was encrypted.
func (r *renderer) shows(o object.Object) error {
	if len(r.hidden) == 0 || isCoreSecret(o) {
		return nil
	}
	h := shown(o.Content(), r.hidden)
	if h == nil {
		return nil
	}
	at := place{o.Origin().File, o.Origin().Line}
	return at.errorf("%s shows %s of %s, which is encrypted: only a Secret may, as nothing else is kept out of plans, diffs and events. Have the chart put it into a Secret "+
		"that this refers to; if it is no secret, leave it in plain text, in another file or with encrypted_regex in .sops.yaml", r.unshown(o), cmp.Or(h.Path, "what is in it"), h.file)
}

// unshown names an object, unless that tells what was encrypted.
func (r *renderer) unshown(o object.Object) string {
	name := o.String()
	for _, h := range r.hidden {
		if strings.Contains(name, h.Value) {
			return an(o.Kind())
		}
	}
	return name
}

// shown is the first of the texts that a value has in it; nil: none.
func shown(v any, texts []hidden) *hidden {
	switch v := v.(type) {
	case string:
		for i := range texts {
			if strings.Contains(v, texts[i].Value) || strings.Contains(v, texts[i].encoded) {
				return &texts[i]
			}
		}
	case []any:
		for _, item := range v {
			if h := shown(item, texts); h != nil {
				return h
			}
		}
	case map[string]any:
		for key, item := range v {
			if len(key) >= stretch { // shorter ones are names of fields
				if h := shown(key, texts); h != nil {
					return h
				}
			}
			if h := shown(item, texts); h != nil {
				return h
			}
		}
	}
	return nil
}
