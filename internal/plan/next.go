package plan

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/fairlead-cd/fairlead/internal/app"
)

// Next returns the steps that may run now: all repairs, and the first batch whose predecessors are applied and healthy. Deletions come
// when every apply has been made, one wave at a time, the last wave first. Nothing left to do gives nil.
func (p Plan) Next() []Step {
	if p.Suspended {
		return nil
	}
	steps := p.Repairs
	if p.Blocked != "" {
		return steps
	}
	for _, b := range p.Batches {
		if len(b.Steps) > 0 {
			return append(steps[:len(steps):len(steps)], b.Steps...)
		}
		if len(b.Unsettled) > 0 && p.later(b) {
			return steps
		}
	}
	if !p.Applied() {
		return steps
	}
	for _, b := range p.Deletes {
		if len(b.Steps) > 0 {
			return append(steps[:len(steps):len(steps)], b.Steps...)
		}
		if len(b.Unsettled) > 0 {
			break
		}
	}
	return steps
}

// later reports whether a batch after b is still to be applied.
func (p Plan) later(b Batch) bool {
	after := false
	for _, x := range p.Batches {
		if after && (len(x.Steps) > 0 || x.Pending > 0) {
			return true
		}
		after = after || x.Wave == b.Wave && x.Early == b.Early
	}
	return false
}

// Gate is the first object that keeps a later batch from running; the zero Note if none does.
func (p Plan) Gate() Note {
	for _, b := range p.Batches {
		if len(b.Steps) > 0 {
			return Note{}
		}
		if len(b.Unsettled) > 0 && p.later(b) {
			return b.Unsettled[0]
		}
	}
	return Note{}
}

// Applied reports whether everything wanted is applied: no create, update, adoption or replacement is left.
func (p Plan) Applied() bool {
	if p.Blocked != "" || len(p.Refused) > 0 {
		return false
	}
	for _, b := range p.Batches {
		if len(b.Steps) > 0 || b.Pending > 0 {
			return false
		}
	}
	return true
}

// Done reports whether nothing at all is left to do or to wait for, health aside.
func (p Plan) Done() bool {
	return p.Applied() && len(p.Repairs) == 0 && len(p.Deletes) == 0 && len(p.Held) == 0 && len(p.Waiting) == 0
}

// String prints the plan as people read it, the same everywhere. An empty plan prints "nothing to do".
func (p Plan) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	n := 0
	line := func(s Step) {
		n++
		_, _ = fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", n, s.Do, s.Key, s.Why)
	}
	for _, s := range p.Repairs {
		line(s)
	}
	for _, batch := range p.Batches {
		for _, s := range batch.Steps {
			line(s)
		}
	}
	for _, batch := range p.Deletes {
		for _, s := range batch.Steps {
			line(s)
		}
	}
	for _, h := range p.Held {
		_, _ = fmt.Fprintf(w, "-\thold\t%s %s\t%s\n", h.Step.Do, h.Step.Key, h.Reason)
	}
	note := func(word string, notes []Note) {
		for _, x := range notes {
			_, _ = fmt.Fprintf(w, "-\t%s\t%s\t%s\n", word, x.Key, strings.TrimSpace(x.Text+" "+x.At))
		}
	}
	note("refused", p.Refused)
	note("wait", p.Waiting)
	note("keep", p.Kept)
	note("contested", p.Contested)
	for _, s := range p.Reported {
		_, _ = fmt.Fprintf(w, "-\treport\t%s\t%s\n", s.Key, s.Why)
	}
	for _, batch := range p.Batches {
		note("unsettled", batch.Unsettled)
	}
	if p.Blocked != "" {
		_, _ = fmt.Fprintf(w, "-\tblocked\t%s\n", p.Blocked)
	}
	if p.Suspended {
		_, _ = fmt.Fprintf(w, "-\tsuspended\n")
	}
	_ = w.Flush()
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return trimRight(b.String())
}

func trimRight(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
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
	return fmt.Sprintf("%s changed %s", who, strings.Join(fields, ", "))
}

func immutableReason(r *Refusal) string {
	field := r.Field
	if field == "" {
		field = "a field"
	}
	return fmt.Sprintf("%s cannot be changed on an existing object (%s): undo the change in Git, or set the annotation %s: %s to let Fairlead delete and create the object anew",
		field, r.Message, app.AnnotationApply, app.ApplyReplace)
}
