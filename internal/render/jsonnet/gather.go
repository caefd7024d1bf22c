package jsonnet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-jsonnet"
	"github.com/google/go-jsonnet/ast"
)

// gathering finds the objects in what was evaluated: an object with apiVersion and kind is one, anything else is looked into. Null is nothing, as in Tanka.
type gathering struct {
	vm   *jsonnet.VM
	out  []Found
	fuel int
}

// maxDepth is how deep objects may be within maps and arrays.
const maxDepth = 100

func (g *gathering) value(raw json.RawMessage, path []string, s spot, at Place, out *[]Found) error {
	raw = bytes.TrimSpace(raw)
	if len(path) > maxDepth {
		return wrongError{wrong{At: at, Text: fmt.Sprintf("objects are nested deeper than %d levels", maxDepth)}}
	}
	switch raw[0] {
	case '{':
		return g.object(raw, path, s, at, out)
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return err
		}
		for i, item := range items {
			next, where := g.step(s, at, strconv.Itoa(i))
			if err := g.value(item, append(path[:len(path):len(path)], "["+strconv.Itoa(i)+"]"), next, where, out); err != nil {
				return err
			}
		}
		return nil
	case 'n':
		return nil
	}
	found := map[bool]string{true: "a text", false: "a number or a boolean"}[raw[0] == '"']
	if len(path) == 0 {
		return wrongError{wrong{At: at, Text: "evaluates to " + found + ": it has to be an object with apiVersion and kind, or an array or object of such"}}
	}
	last := strings.TrimPrefix(path[len(path)-1], ".")
	if last == "apiVersion" || last == "kind" {
		other := map[string]string{"apiVersion": "kind", "kind": "apiVersion"}[last]
		return wrongError{wrong{At: at, Text: fmt.Sprintf("%s has the field %s and not %s: an object of Kubernetes has both", dotted(path[:len(path)-1]), last, other)}}
	}
	return wrongError{wrong{At: at, Text: fmt.Sprintf("%s is %s, and no object: only objects with apiVersion and kind may be in the result; hide what is a setting with two colons",
		dotted(path), found)}}
}

func (g *gathering) object(raw json.RawMessage, path []string, s spot, at Place, out *[]Found) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	if isText(fields["apiVersion"]) && isText(fields["kind"]) {
		*out = append(*out, Found{Path: dotted(path), At: at, JSON: raw})
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		next, where := g.step(s, at, name)
		if err := g.value(fields[name], append(path[:len(path):len(path)], "."+name), next, where, out); err != nil {
			return err
		}
	}
	return nil
}

func isText(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 2 && raw[0] == '"'
}

// dotted is how people write a path.
func dotted(path []string) string {
	text := strings.TrimPrefix(strings.Join(path, ""), ".")
	if text == "" {
		return "the result"
	}
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}

// spot is an expression with what its names mean: the zero spot is one that is not known.
type spot struct {
	node  ast.Node
	names *names
	file  string
}

// names are what names mean in a spot.
type names struct {
	of    map[ast.Identifier]spot
	outer *names
}

func (n *names) find(id ast.Identifier) spot {
	for ; n != nil; n = n.outer {
		if s, ok := n.of[id]; ok {
			return s
		}
	}
	return spot{}
}

func (n *names) with(binds ast.LocalBinds, file string) *names {
	inner := &names{of: map[ast.Identifier]spot{}, outer: n}
	for _, b := range binds {
		if b.Body != nil {
			inner.of[b.Variable] = spot{b.Body, inner, file}
		}
	}
	return inner
}

// maxFuel bounds how long it is looked for where something is written: what is computed is not known before it is computed.
const maxFuel = 200_000

// step is the spot of a field or item, and where it is written; where what is around it is, if that cannot be said.
func (g *gathering) step(s spot, around Place, name string) (spot, Place) {
	next, at := g.field(g.reduced(s, 0), name, 0)
	if at.Line == 0 {
		return next, around
	}
	// A name that stands for an object that is written elsewhere in the tree is written there.
	if _, isVar := next.node.(*ast.Var); isVar {
		if to := g.reduced(next, 0); to.node != nil {
			if _, is := to.node.(*ast.DesugaredObject); is {
				if p := placeOf(*to.node.Loc()); p.Line > 0 {
					return next, p
				}
			}
		}
	}
	return next, at
}

// field finds a field of an object, or an item of an array, in an expression that is reduced.
func (g *gathering) field(s spot, name string, depth int) (spot, Place) {
	if g.spent(depth) {
		return spot{}, Place{}
	}
	switch n := s.node.(type) {
	case *ast.DesugaredObject:
		for _, f := range n.Fields {
			if key, ok := f.Name.(*ast.LiteralString); ok && key.Value == name {
				return spot{f.Body, s.names.with(n.Locals, s.file), s.file}, placeOf(f.LocRange)
			}
		}
	case *ast.Array:
		if i, err := strconv.Atoi(name); err == nil && i < len(n.Elements) {
			item := n.Elements[i].Expr
			return spot{item, s.names, s.file}, placeOf(*item.Loc())
		}
	case *ast.Binary:
		if n.Op != ast.BopPlus {
			break
		}
		if found, at := g.field(g.reduced(spot{n.Right, s.names, s.file}, depth+1), name, depth+1); at.Line > 0 {
			return found, at
		}
		return g.field(g.reduced(spot{n.Left, s.names, s.file}, depth+1), name, depth+1)
	}
	return spot{}, Place{}
}

func (g *gathering) spent(depth int) bool {
	g.fuel++
	return g.fuel > maxFuel || depth > maxDepth
}

// reduced follows names, imports and calls to an object or an array that is written out; what it cannot follow is left as it is.
func (g *gathering) reduced(s spot, depth int) spot {
	for !g.spent(depth) {
		depth++
		switch n := s.node.(type) {
		case *ast.Local:
			s = spot{n.Body, s.names.with(n.Binds, s.file), s.file}
		case *ast.Parens:
			s.node = n.Inner
		case *ast.Function:
			s.node = n.Body // of the file itself: a call brings its arguments
		case *ast.Import:
			node, file, err := g.vm.ImportAST(s.file, n.File.Value)
			if err != nil {
				return spot{}
			}
			s = spot{node: node, file: file}
		case *ast.Var:
			s = s.names.find(n.Id)
		case *ast.Index:
			key, ok := n.Index.(*ast.LiteralString)
			if !ok {
				return spot{}
			}
			s, _ = g.field(g.reduced(spot{n.Target, s.names, s.file}, depth), key.Value, depth)
		case *ast.Apply:
			s = g.called(n, s, depth)
		default:
			return s
		}
		if s.node == nil {
			return spot{}
		}
	}
	return spot{}
}

// called is the body of the function that is called, with its arguments.
func (g *gathering) called(call *ast.Apply, s spot, depth int) spot {
	target := spot{call.Target, s.names, s.file}
	for !g.spent(depth) {
		depth++
		f, is := target.node.(*ast.Function)
		if !is {
			switch target.node.(type) {
			case *ast.Local, *ast.Parens, *ast.Import, *ast.Var, *ast.Index:
				target = g.opened(target, depth)
				if target.node == nil {
					return spot{}
				}
				continue
			}
			return spot{}
		}
		inner := &names{of: map[ast.Identifier]spot{}, outer: target.names}
		for i, p := range f.Parameters {
			switch {
			case i < len(call.Arguments.Positional):
				inner.of[p.Name] = spot{call.Arguments.Positional[i].Expr, s.names, s.file}
			default:
				inner.of[p.Name] = spot{} // hides what is outside
			}
		}
		for _, a := range call.Arguments.Named {
			inner.of[a.Name] = spot{a.Arg, s.names, s.file}
		}
		return spot{f.Body, inner, target.file}
	}
	return spot{}
}

// opened follows one step of what reduced follows, and leaves functions as they are.
func (g *gathering) opened(s spot, depth int) spot {
	switch n := s.node.(type) {
	case *ast.Local:
		return spot{n.Body, s.names.with(n.Binds, s.file), s.file}
	case *ast.Parens:
		return spot{n.Inner, s.names, s.file}
	case *ast.Import:
		node, file, err := g.vm.ImportAST(s.file, n.File.Value)
		if err != nil {
			return spot{}
		}
		return spot{node: node, file: file}
	case *ast.Var:
		return s.names.find(n.Id)
	case *ast.Index:
		if key, ok := n.Index.(*ast.LiteralString); ok {
			found, _ := g.field(g.reduced(spot{n.Target, s.names, s.file}, depth), key.Value, depth)
			return found
		}
	}
	return spot{}
}
