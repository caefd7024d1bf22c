package notify

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	tree "text/template/parse"
	"time"
	"unicode"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// mostText bounds a message, and mostLines what a message of many lists, in lines.
const (
	mostText  = 3000
	mostLines = 40
)

// fields are what a template may use.
type fields struct{ App, Environment, Namespace, Outcome, Commit, Short, Why, Back, Time string }

// Text is what is said of an event: by the template, or, without one or if it cannot be filled, in our own words. What comes from elsewhere goes through escape.
func Text(pattern string, e Event, escape func(string) string) string {
	e = escaped(e, escape)
	if pattern != "" {
		if text, err := fill(pattern, e); err == nil && strings.TrimSpace(text) != "" {
			return text
		}
	}
	return line(e)
}

func escaped(e Event, escape func(string) string) Event {
	for _, s := range []*string{&e.Namespace, &e.Environment, &e.App, &e.Commit, &e.Why, &e.Back} {
		*s = escape(*s)
	}
	return e
}

// says are the outcomes in words.
var says = map[v1alpha1.Outcome]string{
	v1alpha1.OutcomeSucceeded: "succeeded", v1alpha1.OutcomeFailed: "failed", v1alpha1.OutcomeRolledBack: "was rolled back", v1alpha1.OutcomeHeld: "is held",
	v1alpha1.OutcomeDrift: "drifted",
}

func line(e Event) string {
	text := fmt.Sprintf("%s/%s %s: commit %s", e.Environment, e.App, says[e.Outcome], short(e.Commit))
	if e.Why != "" {
		text += ": " + e.Why
	}
	return clip(text, mostText)
}

// Details are what is said of an event besides.
func Details(e Event, escape func(string) string) string {
	e = escaped(e, escape)
	lines := []string{string(e.Outcome) + " at " + e.Since.Format(time.RFC3339), "commit " + e.Commit}
	if e.Back != "" {
		lines = append(lines, "back at "+e.Back)
	}
	if e.Why != "" {
		lines = append(lines, e.Why)
	}
	return strings.Join(lines, "\n")
}

// List is what is said of many.
func List(title string, all []Event, escape func(string) string) string {
	lines := []string{title}
	for i, e := range all {
		if i == mostLines {
			lines = append(lines, fmt.Sprintf("… and %d more", len(all)-i))
			break
		}
		e = escaped(e, escape)
		e.Why = clip(e.Why, 100)
		lines = append(lines, "• "+clip(line(e), 300))
	}
	return strings.Join(lines, "\n")
}

// Plain escapes nothing.
func Plain(s string) string { return s }

// fill fills a template.
func fill(pattern string, e Event) (string, error) {
	t, err := parse(pattern)
	if err != nil {
		return "", err
	}
	var out bounded
	err = t.Execute(&out, fields{
		App: e.App, Environment: e.Environment, Namespace: e.Namespace, Outcome: string(e.Outcome), Commit: e.Commit, Short: short(e.Commit), Why: e.Why, Back: e.Back,
		Time: e.Since.Format(time.RFC3339),
	})
	if err != nil && !errors.Is(err, errFull) {
		return "", err
	}
	return strings.ToValidUTF8(out.String(), "?"), nil
}

var errFull = errors.New("the message is full")

// bounded takes as much as a message may have.
type bounded struct{ strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if room := mostText - b.Len(); len(p) > room {
		n, _ := b.Builder.Write(p[:room])
		return n, errFull
	}
	return b.Builder.Write(p)
}

// parse reads a template. One that could go on for ever, or grow beyond all bounds, is refused: it has fields and conditions alone.
func parse(pattern string) (*template.Template, error) {
	t, err := template.New("message").Option("missingkey=error").Parse(pattern)
	if err != nil {
		return nil, err
	}
	if len(t.Templates()) > 1 || t.Tree == nil {
		return nil, errors.New("it defines a template, which is not for messages")
	}
	return t, tame(t.Root)
}

// tame returns an error if a node may do more than choose and show fields.
func tame(n tree.Node) error {
	branch := func(b tree.BranchNode) error { return errors.Join(tame(b.Pipe), tameAll(b.List), tameAll(b.ElseList)) }
	switch n := n.(type) {
	case *tree.ListNode:
		return tameAll(n)
	case *tree.TextNode, *tree.CommentNode, *tree.FieldNode, *tree.StringNode, *tree.DotNode, *tree.BoolNode:
		return nil
	case *tree.ActionNode:
		return tame(n.Pipe)
	case *tree.IfNode:
		return branch(n.BranchNode)
	case *tree.WithNode:
		return branch(n.BranchNode)
	case *tree.PipeNode:
		if len(n.Decl) > 0 {
			return errors.New("variables are not for messages")
		}
		var errs []error
		for _, c := range n.Cmds {
			for _, a := range c.Args {
				errs = append(errs, tame(a))
			}
		}
		return errors.Join(errs...)
	case *tree.IdentifierNode:
		switch n.Ident {
		case "eq", "ne", "and", "or", "not":
			return nil
		}
		return fmt.Errorf("%s is not for messages", n.Ident)
	}
	return fmt.Errorf("%s is not for messages", clip(n.String(), 40))
}

func tameAll(l *tree.ListNode) error {
	if l == nil {
		return nil
	}
	var errs []error
	for _, n := range l.Nodes {
		errs = append(errs, tame(n))
	}
	return errors.Join(errs...)
}

func short(commit string) string { return commit[:min(8, len(commit))] }

// clip is a text as one line of at most so many characters.
func clip(text string, most int) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}
