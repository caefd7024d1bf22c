package gotemplate

import (
	"strconv"
	"strings"
	"text/template/parse"
)

// The functions that are put into trees. A template that names one itself is refused.
const (
	reserved  = "fairleadTemplate"
	nameEnter = reserved + "Enter"
	nameLeave = reserved + "Leave"
	nameTick  = reserved + "Tick"
	nameMark  = reserved + "Mark"
	nameText  = reserved + "Text"
	nameValue = reserved + "Value"
	namePrint = reserved + "Print"
)

// instrument puts the counting into a tree: Enter and Leave around it, Tick into each loop, Value at the end of each pipeline. With marks, it tells as well where
// in the output each of its own lines went.
func instrument(t *parse.Tree, text string, marks bool) {
	in := instrumenter{tree: t, text: text, marks: marks}
	size := in.list(t.Root, false)
	t.Root.Nodes = append([]parse.Node{in.call(t.Root.Pos, nameEnter, size)}, t.Root.Nodes...)
	t.Root.Nodes = append(t.Root.Nodes, in.call(t.Root.Pos, nameLeave, 0))
}

type instrumenter struct {
	tree  *parse.Tree
	text  string // of the file
	marks bool
	at    parse.Pos // up to where lines are counted
	line  int
}

// lines is the line of a position. Positions grow on the way through a tree, so that each line is counted once.
func (in *instrumenter) lines(pos parse.Pos) int {
	pos = min(pos, parse.Pos(len(in.text)))
	if pos < in.at {
		in.at, in.line = 0, 0
	}
	in.line += strings.Count(in.text[in.at:pos], "\n")
	in.at = pos
	return in.line + 1
}

// list instruments a list and returns how many nodes are in it, those below it included.
func (in *instrumenter) list(l *parse.ListNode, loop bool) int {
	if l == nil {
		return 0
	}
	size := 1
	nodes := make([]parse.Node, 0, len(l.Nodes)+1)
	for _, n := range l.Nodes {
		if in.marks {
			switch n := n.(type) {
			case *parse.TextNode:
				nodes = append(nodes, in.call(n.Pos, nameText, in.lines(n.Pos)))
			case *parse.ActionNode, *parse.TemplateNode:
				nodes = append(nodes, in.call(n.Position(), nameMark, in.lines(n.Position())))
			}
		}
		size += in.node(n)
		nodes = append(nodes, n)
	}
	if loop {
		nodes = append([]parse.Node{in.call(l.Pos, nameTick, size)}, nodes...)
	}
	l.Nodes = nodes
	return size
}

func (in *instrumenter) node(n parse.Node) int {
	switch n := n.(type) {
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			return in.pipe(n.Pipe, namePrint)
		}
		return in.pipe(n.Pipe, nameValue)
	case *parse.TemplateNode:
		return in.pipe(n.Pipe, nameValue)
	case *parse.IfNode:
		return in.branch(&n.BranchNode, false)
	case *parse.WithNode:
		return in.branch(&n.BranchNode, false)
	case *parse.RangeNode:
		return in.branch(&n.BranchNode, true)
	default:
		return 1
	}
}

func (in *instrumenter) branch(b *parse.BranchNode, loop bool) int {
	return in.pipe(b.Pipe, nameValue) + in.list(b.List, loop) + in.list(b.ElseList, false)
}

// pipe lets the value of a pipeline go through a function that weighs it.
func (in *instrumenter) pipe(p *parse.PipeNode, through string) int {
	if p == nil {
		return 1
	}
	size := 1
	for _, c := range p.Cmds {
		for _, arg := range c.Args {
			size++
			switch arg := arg.(type) {
			case *parse.PipeNode:
				size += in.pipe(arg, nameValue)
			case *parse.ChainNode:
				if inner, ok := arg.Node.(*parse.PipeNode); ok {
					size += in.pipe(inner, nameValue)
				}
			}
		}
	}
	p.Cmds = append(p.Cmds, in.command(p.Pos, through))
	return size
}

func (in *instrumenter) command(at parse.Pos, name string, args ...parse.Node) *parse.CommandNode {
	word := parse.NewIdentifier(name).SetPos(at).SetTree(in.tree)
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: at, Args: append([]parse.Node{word}, args...)}
}

// call is an action that calls one of the functions with a number, and prints nothing.
func (in *instrumenter) call(at parse.Pos, name string, n int) parse.Node {
	number := &parse.NumberNode{NodeType: parse.NodeNumber, Pos: at, IsInt: true, Int64: int64(n), Text: strconv.Itoa(n)}
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Pos: at, Cmds: []*parse.CommandNode{in.command(at, name, number)}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pos: at, Pipe: pipe}
}
