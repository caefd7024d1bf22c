package fingerprint

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"maps"
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
	entries := Entries(live)
	fields := ours(entries, manager)
	if fields == nil {
		return Print{}
	}
	w := walker{sum: sha256.New(), replicas: sha256.New(), ignored: resolve(ignored, fields, live.Content())}
	var others []map[string]any
	for _, e := range entries {
		if e.Manager != manager || e.Operation != "Apply" {
			others = append(others, e.fields)
		}
	}
	w.walk(place{mine: fields, others: others, value: live.Content()})
	return Print{Fields: digest(w.sum), Replicas: digest(w.replicas)}
}

func digest(h hash.Hash) string { return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9]) }

type walker struct {
	sum, replicas hash.Hash
	ignored       names
}

// place is a part of an object and what the managers own of it.
type place struct {
	mine   map[string]any
	others []map[string]any
	value  any
	name   string // the way to it by keys: it stays the same when others add to a list
}

func (w walker) walk(p place) {
	keys := make([]string, 0, len(p.mine))
	for k := range p.mine {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		below, _ := p.mine[k].(map[string]any)
		next := place{mine: below, name: p.name + "/" + k}
		if k == "." || w.ignored[next.name] {
			continue
		}
		var there bool
		next.value, there = element(k, p.value)
		for _, o := range p.others {
			if fields, ok := o[k].(map[string]any); ok {
				next.others = append(next.others, fields)
			}
		}
		switch _, dot := below["."]; {
		case hasChildren(below):
			w.walk(next)
		case dot && strings.HasPrefix(k, "f:"): // an empty map: what others put into it, or take out, is theirs
		case dot:
			next.value = nil
			w.leaf(next, there)
		default:
			w.leaf(next, there)
		}
	}
}

// leaf adds an owned field to the digest, with all that is in it. Of a map or list that was applied empty, and that others have filled, only the
// empty one is ours.
func (w walker) leaf(p place, there bool) {
	if slices.ContainsFunc(p.others, hasChildren) {
		switch p.value.(type) {
		case map[string]any:
			p.value = map[string]any{}
		case []any:
			p.value = []any{}
		}
	}
	text, err := json.Marshal(p.value)
	if err != nil {
		text = []byte("?")
	}
	sum := w.sum
	if p.name == "/f:spec/f:replicas" {
		sum = w.replicas
	}
	line := append(strconv.AppendQuote(make([]byte, 0, len(p.name)+len(text)+20), p.name), ' ')
	line = append(strconv.AppendBool(line, there), ' ')
	line = append(strconv.AppendInt(line, int64(len(text)), 10), ' ')
	_, _ = sum.Write(append(append(line, text...), '\n'))
}

func hasChildren(fields map[string]any) bool {
	_, dot := fields["."]
	return len(fields) > 1 || len(fields) == 1 && !dot
}

// names are fields by the keys of a field tree that lead to them, such as "/f:data/f:theme".
type names map[string]bool

// cover reports whether a field is one of the names, or below one.
func (n names) cover(name string) bool {
	for named := range n {
		if name == named || strings.HasPrefix(name, named+"/") {
			return true
		}
	}
	return false
}

// resolve turns JSON pointers (RFC 6901) into names. An index counts the items that fields owns, in the order of the list: this is where they stand in Git,
// whatever others put between them.
func resolve(pointers []string, fields map[string]any, value any) names {
	out := make(names, len(pointers))
	for _, p := range pointers {
		name, mine, v := "", fields, value
		for _, token := range tokens(p) {
			key := "f:" + token
			if list, ok := v.([]any); ok {
				if key, ok = owned(mine, list, token); !ok {
					name = ""
					break
				}
			}
			v, _ = element(key, v)
			mine, _ = mine[key].(map[string]any)
			name += "/" + key
		}
		if name != "" {
			out[name] = true
		}
	}
	return out
}

// owned is the element of a field tree that names the item at an index among those of a list that the tree owns.
func owned(fields map[string]any, list []any, index string) (string, bool) {
	at := map[string]int{}
	for k := range fields {
		if _, i, found := find(k, list); found {
			at[k] = i
		}
	}
	keys := slices.SortedFunc(maps.Keys(at), func(a, b string) int { return cmp.Compare(at[a], at[b]) })
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(keys) {
		return "", false
	}
	return keys[i], true
}

// tokens are the elements of a JSON pointer.
func tokens(pointer string) []string {
	path := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, s := range path {
		path[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
	}
	return path
}
