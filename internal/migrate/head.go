package migrate

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// held is what is known of the objects that an order holds: how many of them are orders themselves, of which kinds, and whether there are others.
type held struct {
	orders  []string // kinds, ordered, each once
	others  bool
	guessed bool // it is only known which orders are in files below its path
}

// add reports whether it is an order that is held.
func (h *held) add(gk object.GroupKind, isOrder func(object.GroupKind) bool) bool {
	if !isOrder(gk) {
		h.others = true
		return false
	}
	if !slices.Contains(h.orders, gk.Kind) {
		h.orders = append(h.orders, gk.Kind)
		slices.Sort(h.orders)
	}
	return true
}

// heldIn is what the status of an order says that it holds, by kinds; or else what it renders to; or else what lies below its path among the objects that were read from
// files.
func (m *migration) heldIn(o object.Object, about string, kinds []object.GroupKind, p string, all []object.Object, isOrder func(object.GroupKind) bool) held {
	var h held
	for _, gk := range kinds {
		h.add(gk, isOrder)
	}
	if len(kinds) > 0 {
		return h
	}
	if h, rendered := m.held[about]; rendered && m.unread[about] == "" {
		return h
	}
	for _, x := range all {
		below := strings.Contains("/"+path.Dir(x.Origin().File)+"/", "/"+p+"/")
		if gk := x.Key().GroupKind(); below && x.Key() != o.Key() && isOrder(gk) {
			h.add(gk, isOrder)
		}
	}
	h.guessed = true
	switch why := m.unread[about]; {
	case m.options.Tree == nil || p == "":
	case why != "":
		m.note(about, "", "what it holds cannot be rendered here, so an order in it may be missing from this: read the cluster, or mend it: %s", why)
		h.others = true
	default:
		m.note(about, "", "its directory is not among the files here, so an order in it is missing from this: give the repository that it is in as well, or read the cluster")
	}
	return h
}

// isHead reports whether an order does nothing but to order others: no app is made of it then. One that holds other objects as well is an app of those.
func (m *migration) isHead(about, engine string, h held) bool {
	switch {
	case len(h.orders) == 0:
		return false
	case h.others:
		m.note(about, "", "it holds %s besides other objects: Fairlead applies the others alone, as spec.render.neverApply of the Environment says. "+
			"Of what this report could make nothing of, %s keeps what it was told last", plural(h.orders), engine)
		return false
	}
	rest := ""
	if h.guessed {
		rest = ". What else is in its directory needs a source of its own"
	}
	m.note(about, "", "it holds %s, which is what %s is told: no app is made of it%s", plural(h.orders), engine, rest)
	return true
}

// plural are kinds as people list them.
func plural(kinds []string) string {
	out := make([]string, 0, len(kinds))
	for _, k := range kinds {
		if s, ok := strings.CutSuffix(k, "y"); ok {
			out = append(out, s+"ies")
			continue
		}
		out = append(out, k+"s")
	}
	if last := len(out) - 1; last > 0 {
		return fmt.Sprintf("%s and %s", strings.Join(out[:last], ", "), out[last])
	}
	return strings.Join(out, "")
}
