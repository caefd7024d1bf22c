package preview

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// Reply is what would be done.
type Reply struct {
	Namespace   string `json:"namespace"`
	Environment string `json:"environment"`
	// From and To are what was compared, as status shows revisions. Without From it is the cluster; without To it is Git as it is now.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Apps are in the order in which they depend on each other, and by name.
	Apps []App `json:"apps"`
	// Notes are what else has to be known.
	Notes []string `json:"notes,omitempty"`
	// LeftOut says what did not fit.
	LeftOut string `json:"leftOut,omitempty"`
}

// App is what would be done to one app.
type App struct {
	Name string `json:"name"`
	// Steps are what would be done, in this order.
	Steps []Step `json:"steps,omitempty"`
	// Idle are the steps that would not be done, as long as what Blocked says is true.
	Idle []Step `json:"idle,omitempty"`
	// Held are the steps that would wait for a person.
	Held []Held `json:"held,omitempty"`
	// Refused is what the API server does not accept: nothing of the commit would be applied.
	Refused   []Note `json:"refused,omitempty"`
	Waiting   []Note `json:"waiting,omitempty"`
	Kept      []Note `json:"kept,omitempty"`
	Contested []Note `json:"contested,omitempty"`
	// Reported is drift that would be left in place.
	Reported []Step `json:"reported,omitempty"`
	// Gates are what steps wait for.
	Gates []Gate `json:"gates,omitempty"`
	// Namespace would be made before the first step.
	Namespace string   `json:"makesNamespace,omitempty"`
	After     []string `json:"after,omitempty"`
	Blocked   string   `json:"blocked,omitempty"`
	Suspended bool     `json:"suspended,omitempty"`
	// Broken is why the app cannot be read: what was applied before would be kept.
	Broken string `json:"broken,omitempty"`
	// Uncertain is what was not known when the app was rendered elsewhere: it may want something else, and none of the steps is sure.
	Uncertain []string `json:"uncertain,omitempty"`
	// Unknown is why nobody can tell what would be done.
	Unknown string `json:"unknown,omitempty"`
	// Removed says that Git would no longer have the app.
	Removed bool `json:"removed,omitempty"`
	// LeftOut counts the steps that did not fit.
	LeftOut int `json:"leftOut,omitempty"`
}

// Step is one thing that would be done to one object.
type Step struct {
	Do        plan.Action `json:"do"`
	Object    string      `json:"object"` // as plans print it, such as "Deployment shop/web"
	Group     string      `json:"group,omitempty"`
	Kind      string      `json:"kind"`
	Namespace string      `json:"namespace,omitempty"`
	Name      string      `json:"name"`
	// Round counts the groups of steps that run together, from 1; 0 for one that does not run.
	Round   int      `json:"round,omitempty"`
	Why     string   `json:"why,omitempty"`
	Changes []Change `json:"changes,omitempty"`
	// More counts the changes that were left out.
	More int `json:"more,omitempty"`
	// Unasked says that the API server could not be asked, since the kind or the namespace of the object comes with the same plan.
	Unasked bool `json:"unasked,omitempty"`
}

// Change is one field that would be different. Values of a Secret are tags: equal ones stand for equal values at that field.
type Change struct {
	Path   string `json:"path"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Secret bool   `json:"secret,omitempty"`
}

// Held is a step that would wait for a person.
type Held struct {
	What    string `json:"what"`
	Reason  string `json:"reason"`
	Advice  string `json:"advice,omitempty"`
	Approve string `json:"approve,omitempty"`
}

// Note is something that is said of an object.
type Note struct {
	Object string `json:"object"`
	Text   string `json:"text"`
	At     string `json:"at,omitempty"`
}

// Gate is what the steps of a round, and all after it, wait for.
type Gate struct {
	Round int `json:"round"`
	Note
}

// Tagger makes the tags that stand for values of Secrets. Equal values have equal tags at the same field of the same object, and nowhere else.
type Tagger struct{ Key []byte }

const tagged = "secret "

func (t Tagger) of(key object.Key) diff.Tag {
	return func(path string, value []byte) string {
		h := hmac.New(sha256.New, t.Key)
		for _, part := range []string{key.Group, key.Kind, key.Namespace, key.Name, path} {
			_, _ = h.Write([]byte(part + "\x00"))
		}
		_, _ = h.Write(value)
		return tagged + hex.EncodeToString(h.Sum(nil)[:4])
	}
}

// Of tells what is foreseen of an app. Seen is what is known of its objects before the first step.
func Of(name string, f plan.Foreseen, seen map[object.Key]plan.Sighting, tag Tagger) App {
	a := App{Name: name, Blocked: f.Last.Blocked, Suspended: f.Last.Suspended}
	round := 0
	for _, steps := range f.Rounds {
		round++
		for _, s := range steps {
			x := stepOf(s, seen[s.Key], tag)
			x.Round, x.Unasked = round, f.Unasked[s.Key]
			a.Steps = append(a.Steps, x)
		}
	}
	if a.Blocked != "" || a.Suspended {
		idle := f.Last.Repairs
		if !a.Suspended {
			idle = nil
		}
		for _, b := range append(f.Last.Batches, f.Last.Deletes...) {
			idle = append(idle[:len(idle):len(idle)], b.Steps...)
		}
		for _, s := range idle {
			a.Idle = append(a.Idle, stepOf(s, seen[s.Key], tag))
		}
	}
	for _, h := range f.Last.Held {
		a.Held = append(a.Held, Held{What: h.What(), Reason: h.Reason, Advice: h.Advice, Approve: h.Approve})
	}
	for _, s := range f.Last.Reported {
		a.Reported = append(a.Reported, stepOf(s, seen[s.Key], tag))
	}
	a.Refused, a.Waiting, a.Kept, a.Contested = notes(f.Last.Refused), notes(slices.Concat(f.Last.Waiting, f.Last.Leaving)), notes(f.Last.Kept), notes(f.Last.Contested)
	for _, g := range f.Gates {
		if g.Round < round {
			a.Gates = append(a.Gates, Gate{Round: g.Round + 1, Note: notes([]plan.Note{g.Note})[0]})
		}
	}
	return a
}

func notes(list []plan.Note) []Note {
	var out []Note
	for _, n := range list {
		out = append(out, Note{Object: n.Key.String(), Text: n.Text, At: n.At})
	}
	return out
}

func stepOf(s plan.Step, seen plan.Sighting, tag Tagger) Step {
	x := Step{Do: s.Do, Object: s.Key.String(), Group: s.Key.Group, Kind: s.Key.Kind, Namespace: s.Key.Namespace, Name: s.Key.Name, Why: s.Why}
	changes := s.Changes
	if (s.Key.Kind == "Secret" || len(seen.Predicted.Veiled())+len(seen.Live.Veiled()) > 0) && len(changes) > 0 {
		changes = diff.Tagged(seen.Live, seen.Predicted, tag.of(s.Key))
	}
	x.Changes = changesOf(changes)
	return x
}

func changesOf(list []diff.Change) []Change {
	var out []Change
	for _, c := range list {
		secret := strings.HasPrefix(c.From, tagged) || strings.HasPrefix(c.To, tagged)
		out = append(out, Change{Path: c.Path, From: c.From, To: c.To, Secret: secret})
	}
	return out
}

// Compare tells how what two commits want of an app differs. The cluster has no part in it: what it would say of it, nobody asked.
func Compare(name string, from, to []object.Object, tag Tagger) App {
	a := App{Name: name}
	was := map[object.Key]object.Object{}
	for _, o := range from {
		was[o.Key()] = o
	}
	for _, o := range to {
		key := o.Key()
		before, there := was[key]
		delete(was, key)
		s := plan.Step{Do: plan.Create, Key: key, Object: o, Why: "new in " + o.Origin().String()}
		if there {
			s.Do, s.Why = plan.Update, ""
			if s.Changes = diff.Between(before, o); len(s.Changes) == 0 {
				continue
			}
		}
		a.Steps = append(a.Steps, stepOf(s, plan.Sighting{Live: before, Predicted: o}, tag))
	}
	for _, o := range from {
		if _, gone := was[o.Key()]; gone {
			a.Steps = append(a.Steps, stepOf(plan.Step{Do: plan.Delete, Key: o.Key(), Why: "no longer in Git"}, plan.Sighting{}, tag))
		}
	}
	return a
}

// Counts are how many steps of an app would run, by what they do.
func (a App) Counts() map[plan.Action]int {
	n := map[plan.Action]int{}
	for _, s := range a.Steps {
		n[s.Do]++
	}
	return n
}

// Changes reports whether anything would be done.
func (a App) Changes() bool { return len(a.Steps) > 0 || a.LeftOut > 0 || a.Namespace != "" }

// Fails reports whether the app could not be carried out as Git has it, or nobody knows.
func (a App) Fails() bool { return len(a.Refused) > 0 || !a.IsPlan() }

// IsPlan reports whether this says what would be done: it is known what the app wants.
func (a App) IsPlan() bool { return a.Broken == "" && a.Unknown == "" }

// Changes reports whether anything would be done.
func (r Reply) Changes() bool { return r.some(App.Changes) }

// Holds reports whether a step would wait for a person.
func (r Reply) Holds() bool { return r.some(func(a App) bool { return len(a.Held) > 0 }) }

// Fails reports whether an app could not be carried out as Git has it, or nobody knows.
func (r Reply) Fails() bool { return r.some(App.Fails) }

// IsPlan reports whether this says of every app what would be done.
func (r Reply) IsPlan() bool { return !r.some(func(a App) bool { return !a.IsPlan() }) }

func (r Reply) some(is func(App) bool) bool {
	for _, a := range r.Apps {
		if is(a) {
			return true
		}
	}
	return false
}
