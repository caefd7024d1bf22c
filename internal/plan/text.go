package plan

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// String prints the plan as people read it, the same everywhere: steps that will run are numbered in their order, what will not has a dash. An empty
// plan prints "nothing to do".
func (p Plan) String() string {
	var b strings.Builder
	t := table{w: tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)}
	t.steps(p.Repairs, !p.Suspended)
	runs := !p.Suspended && p.Blocked == ""
	for _, batch := range p.Failed {
		t.steps(batch.Steps, !p.Suspended)
	}
	t.steps(p.Spent, !p.Suspended)
	for _, batch := range slices.Concat(p.Batches, p.Deletes, p.After) {
		t.steps(batch.Steps, runs)
	}
	for _, h := range p.Held {
		h.Approve = "" // the command is the same for all: it is said once
		t.line("-", "hold", h.What(), h.Text())
	}
	if n, approve := approvable(p.Held); n > 0 {
		t.line("-", "approve", fmt.Sprintf("%d held", n), approve)
	}
	t.notes("refused", p.Refused)
	t.notes("wait", p.Waiting)
	t.notes("wait", p.Leaving)
	t.notes("keep", p.Kept)
	t.notes("contested", p.Contested)
	for _, s := range p.Reported {
		t.line("-", "report", s.Key.String(), s.Why)
	}
	for _, batch := range slices.Concat(p.Batches, p.Failed, p.After) {
		p.unsettled(&t, batch)
	}
	switch {
	case p.Suspended:
		t.line("-", "suspended", "app "+p.App.String(), "no step runs until: fairlead resume "+p.App.Object()+" -n "+p.App.Namespace)
	case p.Unread:
		t.line("-", "unread", "app "+p.App.String(), "what Git wants is not known: only what was applied is repaired")
	}
	if p.Blocked != "" {
		t.line("-", "blocked", "app "+p.App.String(), "nothing of this commit is applied: "+p.Blocked)
	}
	_ = t.w.Flush()
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return trimRight(b.String())
}

// approvable counts the steps that one approval lets go, and says by which command.
func approvable(held []Held) (n int, command string) {
	for _, h := range held {
		if h.Approve != "" {
			n, command = n+1, h.Approve
		}
	}
	return n, command
}

// unsettled prints what a batch still lacks, as far as the plan has not said it yet.
func (p Plan) unsettled(t *table, b Batch) {
	for _, n := range b.Unsettled {
		said := slices.ContainsFunc(p.Waiting, func(w Note) bool { return w.Key == n.Key }) ||
			slices.ContainsFunc(p.Held, func(h Held) bool { return h.Step.Key == n.Key }) ||
			slices.ContainsFunc(p.Repairs, func(s Step) bool { return s.Key == n.Key && s.Live.IsZero() })
		if said {
			continue
		}
		if b.Moment == "" && p.later(b) {
			n.Text += "; the next wave waits for it"
		}
		t.notes("wait", []Note{n})
	}
}

// table prints lines of four columns.
type table struct {
	w *tabwriter.Writer
	n int
}

func (t *table) line(number, word, what, why string) {
	_, _ = fmt.Fprintf(t.w, "%s\t%s\t%s\t%s\n", number, word, oneLine(what), oneLine(why))
}

func (t *table) steps(steps []Step, run bool) {
	for _, s := range steps {
		number := "-"
		if run {
			t.n++
			number = fmt.Sprint(t.n)
		}
		t.line(number, string(s.Do), s.Key.String(), s.Why)
	}
}

func (t *table) notes(word string, notes []Note) {
	for _, n := range notes {
		at := ""
		if n.At != "" {
			at = " (" + n.At + ")"
		}
		t.line("-", word, n.Key.String(), n.Text+at)
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func trimRight(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// from says where Git has an object that is not in the cluster yet.
func from(o object.Object) string {
	if at := o.Origin().String(); at != "" {
		return "new in " + at
	}
	return ""
}

// summary says on one line what a step changes.
func summary(s Step) string {
	if len(s.Changes) == 0 {
		if s.Takeover {
			return "take over the fields of earlier managers"
		}
		return "take ownership of fields"
	}
	const most = 3
	var parts []string
	for i, c := range s.Changes {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(s.Changes)-most))
			break
		}
		parts = append(parts, c.String())
	}
	return strings.Join(parts, ", ")
}

// editText says on one line what somebody did.
func editText(s Sighting) string {
	if s.State == Absent {
		return "was deleted by hand"
	}
	fields := make([]string, 0, len(s.Edit.Fields))
	for _, f := range s.Edit.Fields {
		fields = append(fields, string(f))
	}
	who := s.Edit.Manager
	if who == "" {
		who = "somebody"
	}
	if len(fields) == 0 {
		return who + " changed what was applied"
	}
	return fmt.Sprintf("%s changed %s", who, strings.Join(fields, ", "))
}

// What to do about an immutable field, if Fairlead may replace the object, and if it may not.
const (
	adviceReplace = "undo the change in Git, or let the object be deleted and created anew with the annotation " + app.AnnotationApply + ": " + string(app.ApplyReplace)
	adviceByHand  = "undo the change in Git, or delete the object with kubectl"
)
