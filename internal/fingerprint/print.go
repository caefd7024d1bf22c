package fingerprint

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Print is a digest of the fields that a manager owns and of their values. The zero Print means that it owns nothing.
//
// spec.replicas is kept apart, so that an autoscaler that comes or goes does not turn an old print into drift.
type Print struct {
	Fields   string
	Replicas string
}

// String is the form in which a print is stored.
func (p Print) String() string {
	if p == (Print{}) {
		return ""
	}
	return p.Fields + "." + p.Replicas
}

// ParsePrint reads what String wrote.
func ParsePrint(s string) Print {
	fields, replicas, _ := strings.Cut(s, ".")
	return Print{Fields: fields, Replicas: replicas}
}

// Same reports whether both prints speak of the same fields and values; spec.replicas does not count if autoscaled.
func (p Print) Same(o Print, autoscaled bool) bool {
	return p.Fields == o.Fields && (autoscaled || p.Replicas == o.Replicas)
}

// Of returns the print of manager in a live object. Ignored are JSON pointers (RFC 6901) that do not count.
func Of(live object.Object, manager string, ignored []string) Print {
	fields := ours(Entries(live), manager)
	if fields == nil {
		return Print{}
	}
	w := walker{sum: sha256.New(), replicas: sha256.New(), ignored: ignored}
	w.walk(fields, live.Content(), "")
	return Print{Fields: digest(w.sum), Replicas: digest(w.replicas)}
}

func digest(h hash.Hash) string { return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9]) }

type walker struct {
	sum, replicas hash.Hash
	ignored       []string
}

func (w walker) walk(fields map[string]any, value any, pointer string) {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		if k != "." {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		child, index, ok := find(k, value)
		at := pointer + "/" + segment(k, index)
		if slices.Contains(w.ignored, at) {
			continue
		}
		below, _ := fields[k].(map[string]any)
		if hasChildren(below) {
			w.note(at, ok, nil)
			w.walk(below, child, at)
			continue
		}
		w.note(at, ok, child)
	}
}

// note adds one owned field to the digest. A leaf of the tree is owned as a whole, with all that is in it.
func (w walker) note(at string, present bool, value any) {
	sum := w.sum
	if at == "/spec/replicas" {
		sum = w.replicas
	}
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte("?")
	}
	_, _ = sum.Write([]byte(at))
	if present {
		_, _ = sum.Write([]byte{1})
	} else {
		_, _ = sum.Write([]byte{0})
	}
	_, _ = sum.Write(text)
	_, _ = sum.Write([]byte{0})
}

func hasChildren(fields map[string]any) bool {
	_, dot := fields["."]
	return len(fields) > 1 || len(fields) == 1 && !dot
}

// segment is a field tree's element as an element of a JSON pointer: a name, or the place in a list.
func segment(key string, index int) string {
	name, ok := strings.CutPrefix(key, "f:")
	if !ok && index >= 0 {
		return strconv.Itoa(index)
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}
