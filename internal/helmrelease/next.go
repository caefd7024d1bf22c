package helmrelease

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// History is how many revisions are kept of a release, as Helm does if nobody says otherwise.
const History = 10

// Tail is how the history of a release has to end.
type Tail struct {
	Want   string // the digest of what was released last
	Failed bool   // and did not get well
	// Back is what was gone back to afterwards; empty: it was not. Serial is the release that was gone back from.
	Back   string
	Serial int
	At     time.Time
	Why    string
}

// After is the tail that follows from how the releases of an app stand. It is false as long as one is under way: nothing is written then.
func After(st release.State) (Tail, bool) {
	cur := st.Current
	t := Tail{Want: cur.Want.Digest, At: cur.Since, Why: cur.Why, Serial: cur.Serial}
	switch cur.Phase {
	case release.Succeeded:
		return t, t.Want == st.Released.Digest && t.Want != ""
	case release.Failed:
		t.Failed = true
		return t, t.Want == st.Released.Digest && t.Want != ""
	case release.RolledBack:
		t.Failed, t.Back = true, st.Released.Digest
		return t, t.Back != "" && t.Back != t.Want
	case "", release.Planned, release.Gated, release.Superseded: // what was released before them is good, or nobody knows
		return Tail{Want: st.Good.Digest}, !st.Good.IsZero() && st.Good.Digest == st.Released.Digest
	case release.Applying, release.Progressing, release.Verifying, release.RollingBack:
	}
	return Tail{}, false
}

// ID is equal for tails that are equal.
func (t Tail) ID() string {
	id := hashed(t.Want)
	if t.Failed {
		id += " failed"
	}
	if t.Back != "" {
		id += " " + t.from() + " " + hashed(t.Back)
	}
	return id
}

// from names the release that was gone back from.
func (t Tail) from() string { return strconv.Itoa(t.Serial) + "-" + hashed(t.Want) }

// Wants are the digests that the tail is of.
func (t Tail) Wants() []string {
	if t.Back == "" {
		return []string{t.Want}
	}
	return []string{t.Want, t.Back}
}

// Has reports whether a revision of a want is among records: what it was can be had of that.
func Has(stored []Record, digest string) bool { return latest(stored, digest) >= 0 }

func latest(stored []Record, digest string) int {
	at := -1
	for i, r := range stored {
		if r.want == hashed(digest) && (at < 0 || r.Revision > stored[at].Revision) {
			at = i
		}
	}
	return at
}

// Input is all that the records to be written depend on.
type Input struct {
	Name, Namespace string // of the release
	App             app.Owner
	Tail            Tail
	// Stored are the records of that release, in any order.
	Stored []Record
	// Contents are what is known of the wants of the tail, by their digests. Of the others it is what is stored of them that counts.
	Contents map[string]Content
	Now      time.Time
}

// Do is what is done to a record.
type Do string

// What is done to records.
const (
	Create Do = "create"
	Update Do = "update"
	Delete Do = "delete"
)

// Change is one write.
type Change struct {
	Do     Do
	Record Record
}

// Next is what is to be written so that the history ends as it has to. A new revision comes first: in between there may be two that are deployed, of which the newer
// counts, and there is never none.
func Next(in Input) []Change {
	h := history{Input: in, was: map[int]Record{}}
	for _, r := range in.Stored {
		h.was[r.Revision] = r
	}
	h.is = maps.Clone(h.was)
	t := in.Tail
	switch head := h.head(); {
	case t.Back == "":
		h.end(t.Want, t.Failed)
	case head.want == hashed(t.Back) && head.back == t.from():
		h.set(head, Deployed, "")
	default:
		h.fail(head)
		h.back()
	}
	h.settle()
	h.bound()
	return h.changes()
}

// history is what is stored, and what is to be.
type history struct {
	Input
	was, is map[int]Record
}

// head is the newest revision; zero if there is none.
func (h *history) head() Record {
	var out Record
	for n, r := range h.is {
		if n > out.Revision {
			out = r
		}
	}
	return out
}

// set gives a revision a status, unless it has it.
func (h *history) set(r Record, s Status, why string) {
	if r.Status != s {
		h.is[r.Revision] = r.with(s, why, h.Now)
	}
}

// end has the history end with a want.
func (h *history) end(want string, failed bool) {
	head := h.head()
	switch same := head.want == hashed(want) && head.App == h.App; {
	case same && failed:
		h.set(head, Failed, h.failure())
	case same:
		h.set(head, Deployed, h.success(head.Revision == 1))
	case failed:
		h.add(want, Failed, h.failure())
	default:
		h.add(want, Deployed, h.success(len(h.is) == 0))
	}
}

func (h *history) success(first bool) string {
	if first {
		return "Install complete"
	}
	return "Upgrade complete"
}

func (h *history) failure() string {
	return fmt.Sprintf("Release %q failed: %s", h.Name, cmp.Or(h.Tail.Why, "it did not get well"))
}

// fail has the history tell of the release that was gone back from. If it was well for a time, that is what is told.
func (h *history) fail(head Record) {
	switch {
	case head.want != hashed(h.Tail.Want):
		h.add(h.Tail.Want, Failed, h.failure())
	case head.Status != Deployed && head.Status != Superseded:
		h.set(head, Failed, h.failure())
	}
}

// back adds the revision that was gone back to: a new one, with what the old one was.
func (h *history) back() {
	to := 0
	if i := latest(h.Stored, h.Tail.Back); i >= 0 {
		to = h.Stored[i].Revision
	}
	why := "Rollback"
	if to > 0 {
		why = fmt.Sprintf("Rollback to %d", to)
	}
	n, ok := h.add(h.Tail.Back, Deployed, why)
	if !ok {
		return
	}
	i := n.info()
	i.BackTo = to
	n = n.saying(i)
	n.back = h.Tail.from()
	h.is[n.Revision] = n
}

// add adds a revision of a want, if anything is known of that.
func (h *history) add(want string, s Status, why string) (Record, bool) {
	head := h.head()
	at := cmp.Or(h.Tail.At, h.Now).UTC().Format(time.RFC3339Nano)
	i := info{First: cmp.Or(head.info().First, at), Last: at, Description: why, Status: s}
	r := Record{
		Name: h.Name, Namespace: h.Namespace, Revision: head.Revision + 1, Status: s, App: h.App, want: hashed(want), labels: head.own(),
	}
	if c, known := h.Contents[want]; known {
		i.Notes = c.Notes
		r.body = c.body(h.Name, h.Namespace, r.Revision, i)
	} else if n := latest(h.Stored, want); n >= 0 {
		i.Notes = h.Stored[n].info().Notes
		r.body = maps.Clone(h.Stored[n].body)
		r.body["version"], r.body["info"] = encoded(r.Revision), encoded(i)
	} else {
		return Record{}, false
	}
	r = r.labelled("createdAt", h.Now)
	h.is[r.Revision] = r
	return r, true
}

// own are the labels that people gave to a revision: the next one has them, as with Helm.
func (r Record) own() map[string]string {
	out := maps.Clone(r.labels)
	for _, l := range []string{"createdAt", "modifiedAt"} {
		delete(out, l)
	}
	if out == nil {
		out = map[string]string{}
	}
	return out
}

// settle has one revision be deployed: the newest of those that are. What somebody began, and did not end, has failed.
func (h *history) settle() {
	head := h.head()
	if head.want == "" || head.App != h.App { // nothing is known of what is released: what Helm says stays
		return
	}
	newest := 0
	for n, r := range h.is {
		if r.Status == Deployed {
			newest = max(newest, n)
		}
	}
	for n, r := range h.is {
		switch {
		case r.Status == Deployed && n != newest:
			h.set(r, Superseded, "")
		case r.Status.isPending():
			h.set(r, Failed, "It was "+string(r.Status)+", and nobody ended that; Fairlead took the release over")
		}
	}
}

// bound drops the oldest revisions.
func (h *history) bound() {
	revisions := slices.Sorted(maps.Keys(h.is))
	for _, n := range revisions[:max(0, len(revisions)-History)] {
		if h.is[n].Status != Deployed {
			delete(h.is, n)
		}
	}
}

func (h *history) changes() []Change {
	var create, update, drop []Change
	for _, n := range slices.Sorted(maps.Keys(h.is)) {
		was, stored := h.was[n]
		switch {
		case !stored:
			create = append(create, Change{Create, h.is[n]})
		case was.Status != h.is[n].Status:
			update = append(update, Change{Update, h.is[n]})
		}
	}
	for _, n := range slices.Sorted(maps.Keys(h.was)) {
		if _, stays := h.is[n]; !stays {
			drop = append(drop, Change{Delete, h.was[n]})
		}
	}
	return slices.Concat(create, update, drop)
}

// Revision is the newest revision once the changes are made to the stored records; 0 if there is none.
func Revision(stored []Record, changes []Change) int {
	out := 0
	for _, r := range stored {
		out = max(out, r.Revision)
	}
	for _, ch := range changes {
		if ch.Do == Create {
			out = max(out, ch.Record.Revision)
		}
	}
	return out
}

// Pending are the revisions that somebody else began and did not end, newest first.
func Pending(stored []Record) []Record {
	var out []Record
	for _, r := range stored {
		if r.Status.isPending() {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Record) int { return b.Revision - a.Revision })
	return out
}
