package migrate

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Options are what the objects do not say.
type Options struct {
	// Environment is the name of the first Environment; further ones have it in front.
	Environment string
	// Namespace is where Repositories and Environments will be; empty: where the objects are that they are made of.
	Namespace string
	// Repository is the name of the Repository that Files are committed to, and Dir where in it. An empty Repository is the only one of the objects, if they
	// have one.
	Repository, Dir string
	// Tree is the repository that the objects were read from; nil: they are those of a cluster, and say themselves what they have.
	Tree *Tree
}

// Result is what the objects mean.
type Result struct {
	// Objects are Repositories, ServiceAccounts and Environments, in this order, each by name.
	Objects []object.Object
	Files   []File // ordered by path
	Notes   []Note // ordered by what they are about
	// Read are the files of the tree that were rendered to find orders in them, in order.
	Read []string
}

// File is one to be committed.
type File struct {
	Path string // below Options.Dir
	Text string
}

// Note is something that does not mean the same, or that a person has to do.
type Note struct {
	About string // such as "Kustomization flux-system/apps"
	Field string // such as spec.patches; empty: all of it
	Text  string
}

func (n Note) String() string {
	if n.Field == "" {
		return n.About + ": " + n.Text
	}
	return n.About + ": " + n.Field + ": " + n.Text
}

// ref is what of a repository is followed: the key and value of an Environment's ref.
type ref struct{ kind, name string }

// delivery is one app as another engine delivers it.
type delivery struct {
	about      string // the object that orders it
	from       string // the same, for whoever stops it: Kind/namespace/name
	name       string
	home       string // the namespace of its Environment
	repository string
	ref        ref
	path       string
	into       string // the namespace of objects that name none
	makes      bool   // that namespace, if it does not exist
	account    string
	suspended  bool
	keeps      bool // hand edits stay
	holds      bool // nothing is deleted because it is gone from Git, unless a person says so
	ends       bool // the objects go when the Environment is deleted
	after      []string
	values     map[string]any // substituted
	valuesFrom []any
	keys       string            // the Secret with which files are decrypted
	charts     map[string]string // the Secrets of repositories of charts, by their addresses
}

// place is all that apps of one Environment have in common.
func (d delivery) place() string {
	return fmt.Sprintf("%q %q %q %v %v %v %v %v %v %v %q", d.home, d.into, d.account, d.makes, d.suspended, d.keeps, d.holds, d.ends, d.values, d.valuesFrom, d.keys)
}

// migration is what is found on the way.
type migration struct {
	options      Options
	repositories map[string]object.Object // by namespace/name
	deliveries   []delivery
	accounts     map[string]object.Object
	heads        []string          // orders that order others, and are stopped before those
	never        []any             // kinds that tell the other engine what to do
	held         map[string]held   // what orders hold, as it was rendered, by what notes are about
	unread       map[string]string // why that is not known
	read         []string
	files        []File
	notes        []Note
}

// begin begins a migration from an engine that these kinds tell what to do.
func begin(o Options, never ...object.GroupKind) *migration {
	o.Environment = cmp.Or(o.Environment, "production")
	var kinds []any
	for _, gk := range never {
		kind := map[string]any{"group": gk.Group}
		if gk.Kind != "" {
			kind["kind"] = gk.Kind
		}
		kinds = append(kinds, kind)
	}
	return &migration{options: o, never: kinds, repositories: map[string]object.Object{}, accounts: map[string]object.Object{}}
}

func (m *migration) note(about, field, format string, args ...any) {
	m.notes = append(m.notes, Note{about, field, fmt.Sprintf(format, args...)})
}

// home is the namespace of what is made of an object of a namespace.
func (m *migration) home(namespace string) string {
	return cmp.Or(m.options.Namespace, namespace, "default")
}

// twice notes what stands in several files: it may be patched, and what comes of that is not known here.
func (m *migration) twice(all []object.Object) {
	at := map[object.Key][]string{}
	for _, o := range all {
		if place := o.Origin().String(); place != "" {
			at[o.Key()] = append(at[o.Key()], place)
		}
	}
	for key, places := range at {
		if len(places) < 2 {
			continue
		}
		slices.Sort(places)
		name := key.Kind + " " + strings.TrimPrefix(key.Namespace+"/"+key.Name, "/")
		if places = slices.Compact(places); len(places) == 1 {
			m.note(name, "", "%s becomes it more than once, and not the same: give the directory of one cluster", places[0])
			continue
		}
		m.note(name, "", "it is written more than once, in %s: if one patches another, read the cluster, or what 'kustomize build' prints; if they are for several clusters, give the directory of one", strings.Join(places, " and "))
	}
}

func (m *migration) result() Result {
	environments := m.environments()
	for name, o := range m.repositories { // one that only held a chart is named by the app
		if strings.HasPrefix(o.Text("spec", "url"), "oci://") && !slices.ContainsFunc(m.deliveries, func(d delivery) bool { return d.home+"/"+d.repository == name }) {
			delete(m.repositories, name)
		}
	}
	var out Result
	for _, objs := range [][]object.Object{values(m.repositories), values(m.accounts), environments} {
		out.Objects = append(out.Objects, objs...)
	}
	out.Files, out.Notes, out.Read = m.files, m.notes, m.read
	slices.SortFunc(out.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortStableFunc(out.Notes, func(a, b Note) int { return cmp.Or(cmp.Compare(a.About, b.About), cmp.Compare(a.Field, b.Field)) })
	out.Notes = slices.Compact(out.Notes)
	return out
}

func values(objs map[string]object.Object) []object.Object {
	out := make([]object.Object, 0, len(objs))
	for _, o := range objs {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b object.Object) int { return a.Key().Compare(b.Key()) })
	return out
}

// made is an object of Fairlead's.
func made(kind, namespace, name string, spec map[string]any) object.Object {
	return object.New(map[string]any{
		"apiVersion": "fairlead.dev/v1alpha1", "kind": kind,
		"metadata": map[string]any{"namespace": namespace, "name": name},
		"spec":     spec,
	})
}

// label makes a DNS label of a text, of at most so many bytes.
func label(text string, most int) string {
	var b strings.Builder
	for _, c := range strings.ToLower(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	out := b.String()
	if len(out) > most {
		out = out[:most]
	}
	return cmp.Or(strings.Trim(out, "-"), "app")
}

// within is a path as an Environment has it: relative to the root of the repository. What is not in it is no path.
func within(p string) (string, bool) {
	p = path.Clean("/" + strings.TrimPrefix(p, "./"))
	return strings.TrimPrefix(p, "/"), p != "/"
}
