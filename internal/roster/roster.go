package roster

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// Lease is one member as its Lease tells of it.
type Lease struct {
	// ID names the member. No other ever has the same.
	ID string
	// Version is another one after each renewal.
	Version string
	// Lasts is how long after its last renewal the member may be taken for dead.
	Lasts time.Duration
	// Knows are the members by which it acts.
	Knows []string
}

// Roster is what one member knows of all. It is not safe for concurrent use.
type Roster struct {
	self   string
	lasts  time.Duration
	sent   time.Time // when the last renewal that was accepted was sent
	others map[string]other
	// elders were there before this member, and have not said that they know it.
	elders map[string]bool
	gone   map[string]int // when each went, counted
	went   int            // how many went, those of earlier rosters of this process included
	began  int            // how many had gone when this roster began
	// parts is what was found out about keys since a member came or went last. It is asked far more often than that, and a score is a hash.
	parts map[string]part
}

// part is what the members' names say about a key.
type part struct {
	mine bool // once the roster is settled
	term int
}

// enough is how many keys are remembered before all are forgotten: those of apps that are gone are among them.
const enough = 1 << 16

type other struct {
	Lease
	at time.Time // when this version was seen first
}

// New returns the roster of a member whose Lease was made by a request that was sent at that time, and which read afterwards, at now, which other Leases are
// there.
func New(self string, lasts time.Duration, sent time.Time, there []Lease, now time.Time) *Roster {
	r := &Roster{self: self, lasts: lasts, sent: sent, others: map[string]other{}, elders: map[string]bool{}, gone: map[string]int{}, parts: map[string]part{}}
	for _, l := range there {
		r.elders[l.ID] = l.ID != self
		r.See(l, now)
	}
	delete(r.elders, self)
	return r
}

// See takes in the Lease of a member as it is, or was a moment ago.
func (r *Roster) See(l Lease, now time.Time) {
	if _, gone := r.gone[l.ID]; gone || l.ID == r.self {
		return
	}
	was, known := r.others[l.ID]
	if !known {
		clear(r.parts)
	}
	if !known || was.Version != l.Version {
		r.others[l.ID] = other{l, now}
	}
	if slices.Contains(l.Knows, r.self) {
		delete(r.elders, l.ID)
	}
}

// Gone takes in that the Lease of a member was deleted. It never comes back.
func (r *Roster) Gone(id string) {
	if _, known := r.others[id]; known {
		r.went++
		r.gone[id] = r.went
		clear(r.parts)
	}
	delete(r.others, id)
	delete(r.elders, id)
}

// Renewed takes in that a renewal was accepted, and when it was sent. Who could not renew its own Lease for long has not heard of the others either: they get
// their time anew.
func (r *Roster) Renewed(sent, now time.Time) {
	if sent.Sub(r.sent) > r.lasts/2 {
		for id, o := range r.others {
			o.at = now
			r.others[id] = o
		}
	}
	r.sent = sent
}

// Knows are the members by which this one acts, itself among them, in order: what its Lease is to say.
func (r *Roster) Knows() []string {
	all := make([]string, 0, 1+len(r.others))
	all = append(all, r.self)
	for id := range r.others {
		all = append(all, id)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Settled reports whether all who were there first know this member.
func (r *Roster) Settled() bool { return len(r.elders) == 0 }

// Alone reports whether no other member is known.
func (r *Roster) Alone() bool { return len(r.others) == 0 }

// Owns reports whether what a key names is this member's. Whether it may act is also a matter of [Roster.Until].
func (r *Roster) Owns(key string) bool { return r.Settled() && r.part(key).mine }

// Term counts up whenever another member may have had what a key names: who owns it, and sees another term than before, has to look at it anew.
func (r *Roster) Term(key string) int { return r.part(key).term }

func (r *Roster) part(key string) part {
	if known, ok := r.parts[key]; ok {
		return known
	}
	p := part{mine: true, term: r.began}
	for id := range r.others {
		p.mine = p.mine && first(r.self, id, key)
	}
	for id, went := range r.gone {
		if went > p.term && first(id, r.self, key) {
			p.term = went
		}
	}
	if len(r.parts) >= enough {
		clear(r.parts)
	}
	r.parts[key] = p
	return p
}

// after returns the roster as one that follows another one of the same process, in which nothing may have stayed as it was.
func (r *Roster) after(before *Roster) *Roster {
	r.began = before.went + 1
	r.went = r.began
	clear(r.parts)
	return r
}

// Until is when the member has to stop acting, unless it renews its Lease before: well before others may take it for dead.
func (r *Roster) Until() time.Time { return r.sent.Add(r.lasts / 4 * 3) }

// Lapsed returns the Leases that were not renewed for as long as they last, as far as is known here. Whether that is so tells a delete that holds only for
// the version that was seen.
func (r *Roster) Lapsed(now time.Time) []Lease {
	var out []Lease
	for _, id := range slices.Sorted(maps.Keys(r.others)) {
		if o := r.others[id]; !now.Before(o.at.Add(o.Lasts)) {
			out = append(out, o.Lease)
		}
	}
	return out
}

// Lapses is when the next Lease lapses if nothing is heard of it; the zero time if there is no other.
func (r *Roster) Lapses() time.Time {
	var next time.Time
	for _, o := range r.others {
		if at := o.at.Add(o.Lasts); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// Owner is the member that has what a key names if all know the same members; empty if there is none.
func Owner(key string, members []string) string {
	best := ""
	for _, id := range members {
		if best == "" || first(id, best, key) {
			best = id
		}
	}
	return best
}

// first reports whether one member goes before another for a key.
func first(a, b, key string) bool {
	return cmp.Or(cmp.Compare(score(a, key), score(b, key)), cmp.Compare(a, b)) > 0
}

func score(member, key string) uint64 {
	sum := sha256.Sum256([]byte(member + "\x00" + key))
	return binary.BigEndian.Uint64(sum[:8])
}
