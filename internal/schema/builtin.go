package schema

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

//go:embed data/types.txt
var typesText string

// Catalog is the kinds of one version of Kubernetes. It is safe for concurrent use.
type Catalog struct {
	version string
	digit   string // of the version, in the data
	kinds   map[object.GVK]builtin
	scopes  map[object.GroupKind]bool // whether they live in namespaces
	blocks  map[string]string

	mu    sync.Mutex
	types map[string]*Schema
}

type builtin struct {
	typ        string
	namespaced bool
}

// Versions are the minor versions of Kubernetes that are known, oldest first: "1.33".
func Versions() []string {
	var out []string
	for _, v := range strings.Fields(line("versions ")) {
		out = append(out, minor(v))
	}
	return out
}

// line returns what follows a word at the beginning of a line of the data.
func line(word string) string {
	_, rest, _ := strings.Cut(typesText, "\n"+word)
	text, _, _ := strings.Cut(rest, "\n")
	return text
}

// Latest is the newest version that is known.
func Latest() string { all := Versions(); return all[len(all)-1] }

// minor makes "1.36" of "v1.36.3".
func minor(v string) string {
	parts := strings.SplitN(strings.TrimPrefix(strings.TrimSpace(v), "v"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// Builtin returns the kinds of Kubernetes at a version such as "1.36" or "v1.36.3"; empty is the latest. An unknown version is fault.Invalid.
func Builtin(version string) (*Catalog, error) {
	all := Versions()
	if version == "" {
		version = Latest()
	}
	index := slices.Index(all, minor(version))
	if index < 0 {
		return nil, fault.Newf(fault.Invalid, "the schemas of Kubernetes %s are not known: take one of %s", version, strings.Join(all, ", "))
	}
	c := &Catalog{
		version: all[index], digit: fmt.Sprint(index),
		kinds: map[object.GVK]builtin{}, scopes: map[object.GroupKind]bool{}, blocks: map[string]string{}, types: map[string]*Schema{},
	}
	c.index(typesText)
	return c, nil
}

// Version is the minor version, such as "1.36".
func (c *Catalog) Version() string { return c.version }

// index finds the kinds, and where each type begins. Types are read when they are needed.
func (c *Catalog) index(text string) {
	name, start := "", 0
	for at := 0; at < len(text); {
		end := at + strings.IndexByte(text[at:], '\n') + 1
		if end <= at {
			end = len(text)
		}
		if l := text[at:end]; l[0] != ' ' && l[0] != '#' {
			if name != "" {
				c.blocks[name] = text[start:at]
			}
			name = ""
			if rest, ok := strings.CutPrefix(l, "kind "); ok {
				c.kind(rest)
			} else if !strings.HasPrefix(l, "versions ") {
				name, start = strings.TrimSpace(l), end
			}
		}
		at = end
	}
	if name != "" {
		c.blocks[name] = text[start:]
	}
}

func (c *Catalog) kind(l string) {
	f := strings.Fields(l)
	if len(f) < 4 {
		return
	}
	gvk := object.ParseGVK(f[0], f[1])
	c.scopes[gvk.GroupKind()] = f[2] == "namespaced" // that of a kind which another version serves is known as well
	if len(f) > 4 && !strings.Contains(f[4], c.digit) {
		return
	}
	c.kinds[gvk] = builtin{typ: f[3], namespaced: f[2] == "namespaced"}
}

// Metadata is the schema of the metadata of every object.
func (c *Catalog) Metadata() *Schema {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.named("meta.v1.ObjectMeta")
}

// Find returns a version of a kind.
func (c *Catalog) Find(gvk object.GVK) (Kind, bool) {
	b, ok := c.kinds[gvk]
	if !ok {
		return Kind{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return Kind{Schema: c.named(b.typ), Namespaced: b.namespaced}, true
}

// Namespaced reports the scope of a kind, whatever its version.
func (c *Catalog) Namespaced(kind object.GroupKind) (namespaced, known bool) {
	namespaced, known = c.scopes[kind]
	return namespaced, known
}

// Kinds returns all kinds of a group and version, in order.
func (c *Catalog) Kinds(apiVersion string) []string {
	var out []string
	for gvk := range c.kinds {
		if gvk.APIVersion() == apiVersion {
			out = append(out, gvk.Kind)
		}
	}
	slices.Sort(out)
	return out
}

// APIVersions returns the groups and versions that serve a kind, in order; of every kind if it is empty.
func (c *Catalog) APIVersions(kind string) []string {
	var out []string
	for gvk := range c.kinds {
		if kind == "" || gvk.Kind == kind {
			out = append(out, gvk.APIVersion())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// APIs are all that is served: the groups and versions, such as apps/v1, and the kinds in them, such as apps/v1/Deployment. In order.
func (c *Catalog) APIs() []string {
	out := c.APIVersions("")
	for gvk := range c.kinds {
		out = append(out, gvk.APIVersion()+"/"+gvk.Kind)
	}
	slices.Sort(out)
	return out
}

// named returns a type. It is called with the lock held.
func (c *Catalog) named(name string) *Schema {
	if s := c.types[name]; s != nil {
		return s
	}
	s := &Schema{Type: Map, Fields: map[string]*Schema{}}
	c.types[name] = s // before its fields: types may contain themselves
	for l := range strings.Lines(c.blocks[name]) {
		field, rest, _ := strings.Cut(strings.TrimSpace(l), " ")
		if m := versions.FindStringSubmatchIndex(rest); m != nil {
			if !strings.Contains(rest[m[2]:], c.digit) {
				continue
			}
			rest = rest[:m[0]]
		}
		field, required := strings.CutSuffix(field, "*")
		if required {
			s.Required = append(s.Required, field)
		}
		s.Fields[field] = c.parse(rest)
	}
	return s
}

// versions are the last word of a line that not all versions have.
var versions = regexp.MustCompile(` ([0-9]+)$`)

// simple are the types that are one word.
var simple = map[string]*Schema{
	"any":      {},
	"string":   {Type: Text},
	"bytes":    {Type: Text, Format: "byte"},
	"time":     {Type: Text, Format: "date-time"},
	"bool":     {Type: Boolean},
	"number":   {Type: Number},
	"int":      {Type: Integer},
	"int32":    {Type: Integer, Format: "int32"},
	"int64":    {Type: Integer, Format: "int64"},
	"intstr":   {Type: IntOrText},
	"quantity": {Type: Quantity},
}

// parse reads an expression: a word, @type, [items], [items|key,key], {values} or string(one,of).
func (c *Catalog) parse(text string) *Schema {
	inner := text[min(1, len(text)):max(1, len(text)-1)]
	switch {
	case simple[text] != nil:
		return simple[text]
	case strings.HasPrefix(text, "@"):
		return c.named(text[1:])
	case strings.HasPrefix(text, "["):
		item, keys, isMap := strings.Cut(inner, "|")
		s := &Schema{Type: List, Items: c.parse(item)}
		if isMap {
			s.Keys = strings.Split(keys, ",")
		}
		return s
	case strings.HasPrefix(text, "{"):
		return &Schema{Type: Map, Values: c.parse(inner)}
	case strings.HasPrefix(text, "string("):
		s := &Schema{Type: Text, EmptyText: true} // which API servers take for the default
		for w := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(text, "string("), ")"), ",") {
			s.Enum = append(s.Enum, w)
		}
		return s
	}
	panic("schema: the data has an expression that is none: " + text) // Invariant: TestData reads all of it.
}
