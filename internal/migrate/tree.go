package migrate

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// Tree is the repository that the objects were read from.
type Tree struct {
	Files fs.FS
	// Remotes are its addresses. With none, or if no object names one of them, any repository of the objects may be meant.
	Remotes []string
	// Path is where a file is in it that the origin of an object names; empty: it is not in it.
	Path func(file string) string
	// Render renders a directory of it, without a network.
	Render func(Build) (Built, error)
}

// Build is one directory to be rendered.
type Build struct {
	Dir            string
	App, Namespace string            // for templates that speak of them
	Files          map[string]string // besides what is in the tree; if there are any, Dir is among them
	Values         map[string]string // of variables, which are left as they are where they have none; nil: nothing is substituted
}

// Built is what a directory renders to.
type Built struct {
	Objects []object.Object
	Read    []string // paths of files
}

// ordered is a directory that an order delivers.
type ordered struct {
	about string
	into  string // the namespace of orders that name none
	all   bool   // and of those that name another
	build Build
}

// mostRounds bounds how deep orders may be nested in what orders deliver.
const mostRounds = 20

// unfold finds the orders in what orders deliver, as far as that is in the tree: patched by a kustomization, or made by a chart. They take the place of those that were
// read from the files that were rendered. What each order holds is kept, by what notes are about.
func (m *migration) unfold(raw []object.Object, isOrder func(object.GroupKind) bool, delivers func(o object.Object, all []object.Object) []ordered) []object.Object {
	if m.options.Tree == nil {
		return raw
	}
	known := map[string]result{}
	all := raw
	var read map[string]bool
	for range mostRounds {
		var found []object.Object
		read = map[string]bool{}
		m.held, m.unread = map[string]held{}, map[string]string{}
		for _, o := range all {
			for _, x := range delivers(o, all) {
				res := m.rendered(known, x)
				if res.err != nil {
					m.unread[x.about] = res.err.Error()
					continue
				}
				for _, file := range res.Read {
					read[file] = true
				}
				h := m.held[x.about]
				for _, b := range res.Objects {
					if gk := b.Key().GroupKind(); h.add(gk, isOrder) {
						found = append(found, x.inNamespace(b))
					}
				}
				m.held[x.about] = h
			}
		}
		next := slices.DeleteFunc(slices.Clone(raw), func(o object.Object) bool { return read[m.options.Tree.Path(o.Origin().File)] })
		next = once(inOrder(append(next, found...)))
		if slices.EqualFunc(next, all, func(a, b object.Object) bool { return identity(a) == identity(b) }) {
			break
		}
		all = next
	}
	m.read = slices.Sorted(maps.Keys(read))
	return all
}

// result is what came of a render.
type result struct {
	Built
	err error
}

func (m *migration) rendered(known map[string]result, x ordered) result {
	key := fmt.Sprintf("%q", []any{x.build})
	res, done := known[key]
	if !done {
		res.Built, res.err = m.options.Tree.Render(x.build)
		known[key] = res
	}
	return res
}

func (x ordered) inNamespace(o object.Object) object.Object {
	if x.into == "" || o.Namespace() != "" && !x.all {
		return o
	}
	return o.With(x.into, "metadata", "namespace")
}

func identity(o object.Object) string {
	return o.Key().String() + " " + o.Origin().String() + " " + o.Hash()
}

// once leaves out what is there twice.
func once(objs []object.Object) []object.Object {
	seen := map[string]bool{}
	return slices.DeleteFunc(objs, func(o object.Object) bool {
		id := identity(o)
		defer func() { seen[id] = true }()
		return seen[id]
	})
}

// isHere reports whether a repository is the one of the tree, and has the directory.
func (m *migration) isHere(url, dir string, urls []string) bool {
	t := m.options.Tree
	if t == nil {
		return false
	}
	same := func(url string) bool {
		return slices.ContainsFunc(t.Remotes, func(r string) bool { return plainAddress(r) == plainAddress(url) })
	}
	if !strings.HasPrefix(url, "oci://") && !same(url) && slices.ContainsFunc(urls, same) {
		return false
	}
	info, err := fs.Stat(t.Files, path.Clean(dir))
	return err == nil && info.IsDir()
}

// plainAddress is that of a repository without what may be written in several ways.
func plainAddress(url string) string {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
	}
	host, rest, _ := strings.Cut(url, "/")
	if at := strings.LastIndex(host, "@"); at >= 0 {
		host = host[at+1:]
	}
	url = strings.ReplaceAll(host, ":", "/") + "/" + rest
	return strings.ToLower(strings.TrimSuffix(strings.TrimRight(url, "/"), ".git"))
}
