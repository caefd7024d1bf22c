package preview

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/fairlead-cd/fairlead/internal/plan"
)

// String prints a change on one line.
func (c Change) String() string {
	from, to := c.From, c.To
	if c.Secret {
		from, to = strings.TrimPrefix(from, tagged), strings.TrimPrefix(to, tagged)
		switch {
		case from == "":
			return c.Path + ": + (secret " + to + ")"
		case to == "":
			return c.Path + ": - (secret " + from + ")"
		}
		return fmt.Sprintf("%s: changed (secret %s → %s)", c.Path, from, to)
	}
	switch {
	case from == "":
		return fmt.Sprintf("%s: + %s", c.Path, to)
	case to == "":
		return fmt.Sprintf("%s: - %s", c.Path, from)
	}
	return fmt.Sprintf("%s: %s → %s", c.Path, from, to)
}

// Text prints a reply as people read it: the same for the same reply.
func (r Reply) Text() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s\n", r.title())
	for _, a := range r.Apps {
		_, _ = fmt.Fprintf(&b, "\n%s/%s: %s\n", r.Environment, a.Name, a.Summary())
		b.WriteString(a.Text())
	}
	for _, n := range r.Notes {
		_, _ = fmt.Fprintf(&b, "\nnote: %s\n", oneLine(n))
	}
	if r.LeftOut != "" {
		_, _ = fmt.Fprintf(&b, "\nnote: %s\n", r.LeftOut)
	}
	return b.String()
}

func (r Reply) title() string {
	to := r.To
	if to == "" {
		to = "Git as it is now"
	}
	if r.From != "" {
		return fmt.Sprintf("environment %s/%s: what Git wants at %s, compared with %s", r.Namespace, r.Environment, to, r.From)
	}
	return fmt.Sprintf("environment %s/%s: what would be done at %s", r.Namespace, r.Environment, to)
}

// order is how counts are listed.
var order = []plan.Action{plan.Create, plan.Adopt, plan.Update, plan.Repair, plan.Replace, plan.Delete, plan.Run}

// Summary says on one line how much would be done.
func (a App) Summary() string {
	var parts []string
	n := a.Counts()
	for _, do := range order {
		if n[do] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", n[do], do))
		}
	}
	more := func(n int, word string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
	}
	more(a.LeftOut, "more not shown")
	more(len(a.Held), "held")
	more(len(a.Refused), "refused")
	switch {
	case a.Broken != "":
		parts = append(parts, "cannot be read")
	case a.Unknown != "":
		parts = append(parts, "not known")
	case a.Suspended:
		parts = append(parts, "suspended")
	}
	if a.Removed {
		parts = append(parts, "no longer in Git")
	}
	if len(a.Uncertain) > 0 && len(parts) > 0 {
		parts = append(parts, "not certain")
	}
	if len(parts) == 0 {
		if len(a.Uncertain) > 0 {
			return "nothing to do as far as is known"
		}
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

// Text prints what would be done to an app: steps that run are numbered in their order, what does not has a dash. Nothing to do prints nothing.
func (a App) Text() string {
	t := lines{}
	for _, what := range a.Uncertain {
		t.line("-", "unsure", "app "+a.Name, "not read, so that what is said with ? may not be done: "+what)
	}
	if a.Namespace != "" {
		t.line("-", "make", "Namespace "+a.Namespace, "it is not there")
	}
	a.steps(&t)
	for _, s := range a.Idle {
		t.step("-", s)
	}
	approve := ""
	for _, h := range a.Held {
		text := h.Reason
		if h.Approve != "" {
			approve = h.Approve
		} else if h.Advice != "" {
			text += ": " + h.Advice
		}
		t.line("-", "hold", h.What, text)
	}
	if approve != "" {
		n := len(a.Held) - len(slices.DeleteFunc(slices.Clone(a.Held), func(h Held) bool { return h.Approve != "" }))
		t.line("-", "approve", fmt.Sprintf("%d held", n), "once it is in Git: fairlead approve "+a.object(approve))
	}
	t.notes("refused", a.Refused)
	t.notes("wait", a.Waiting)
	t.notes("keep", a.Kept)
	t.notes("contested", a.Contested)
	for _, s := range a.Reported {
		t.line("-", "report", s.Object, s.Why)
	}
	switch {
	case a.Broken != "":
		t.line("-", "broken", "app "+a.Name, "it cannot be read, and what was applied before is kept: "+a.Broken)
	case a.Unknown != "":
		t.line("-", "unknown", "app "+a.Name, "nobody can tell what would be done: "+a.Unknown)
	case a.Suspended:
		t.line("-", "suspended", "app "+a.Name, "no step runs until somebody resumes it")
	case a.Blocked != "":
		t.line("-", "blocked", "app "+a.Name, "nothing of it is applied: "+a.Blocked)
	}
	return t.String()
}

// object is what an approval names: of the command that a plan suggests nothing but the app is known before there is a hold.
func (App) object(command string) string {
	words := strings.Fields(command)
	if len(words) > 2 {
		return words[2]
	}
	return ""
}

func (a App) steps(t *lines) {
	n := 0
	gates := a.Gates
	for _, s := range a.Steps {
		for len(gates) > 0 && gates[0].Round <= s.Round {
			t.line("-", "wait", gates[0].Object, gates[0].Text+"; what follows waits for it")
			gates = gates[1:]
		}
		n++
		number := fmt.Sprint(n)
		if len(a.Uncertain) > 0 {
			number += "?"
		}
		t.step(number, s)
	}
	if a.LeftOut > 0 {
		t.line("-", "more", fmt.Sprintf("%d steps", a.LeftOut), "not shown")
	}
}

// lines are rows of four columns, and what is said below one.
type lines struct {
	rows  [][4]string
	below map[int][]string
}

func (t *lines) line(number, word, what, why string) {
	t.rows = append(t.rows, [4]string{number, oneLine(word), oneLine(what), oneLine(why)})
}

func (t *lines) step(number string, s Step) {
	why := s.Why
	switch n := len(s.Changes) + s.More; {
	case n == 1 && s.More == 0:
		why = s.Changes[0].String()
	case n > 1:
		why = fmt.Sprintf("%d fields", n)
	}
	if s.Unasked {
		why += "; the API server could not be asked yet"
	}
	t.line(number, string(s.Do), s.Object, why)
	if len(s.Changes)+s.More < 2 {
		return
	}
	if t.below == nil {
		t.below = map[int][]string{}
	}
	at := len(t.rows) - 1
	for _, c := range s.Changes {
		t.below[at] = append(t.below[at], oneLine(c.String()))
	}
	if s.More > 0 && len(s.Changes) > 0 {
		t.below[at] = append(t.below[at], fmt.Sprintf("and %d more", s.More))
	}
}

func (t *lines) notes(word string, list []Note) {
	for _, n := range list {
		at := ""
		if n.At != "" {
			at = " (" + n.At + ")"
		}
		t.line("-", word, n.Object, n.Text+at)
	}
}

func (t *lines) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range t.rows {
		_, _ = fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", r[0], r[1], r[2], r[3])
	}
	_ = w.Flush()
	var out strings.Builder
	i := 0
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
		for _, x := range t.below[i] {
			out.WriteString("       " + x + "\n")
		}
		i++
	}
	return out.String()
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
