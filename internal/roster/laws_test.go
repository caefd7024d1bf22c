package roster_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/roster"
)

const lasts = 12 * time.Second

var keys = []string{"app a", "app b", "app c", "app d", "app e"}

// world is the Leases, and replicas that hear of them late, lose answers, have clocks of their own, and die.
type world struct {
	now     time.Duration
	version int
	leases  map[string]roster.Lease
	history []event // every change of a Lease
	all     []*replica
}

type event struct {
	lease   roster.Lease
	deleted bool
}

// replica is one process. Before it has read which Leases there are it has no roster.
type replica struct {
	*roster.Roster
	w      *world
	id     string
	rate   float64
	sent   time.Time // when its Lease was asked for
	cursor int       // how much of the history it has heard
	said   []string
	acting map[string]bool
	asked  []renewal // renewals under way
	dead   bool
}

type renewal struct {
	knows   []string
	sent    time.Time
	applied bool
}

var zero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is the replica's own: no two tell the same time, nor run equally fast.
func (p *replica) clock() time.Time {
	return zero.Add(time.Duration(len(p.id)) * time.Hour).Add(time.Duration(float64(p.w.now) * p.rate))
}

func (w *world) store(l roster.Lease, deleted bool) {
	w.version++
	l.Version = strconv.Itoa(w.version)
	if delete(w.leases, l.ID); !deleted {
		w.leases[l.ID] = l
	}
	w.history = append(w.history, event{l, deleted})
}

// pass lets time pass. Whose time is up stops what it does.
func (w *world) pass(d time.Duration) {
	w.now += d
	for _, p := range w.all {
		if p.Roster != nil && !p.clock().Before(p.Until()) {
			clear(p.acting)
		}
	}
}

func (p *replica) hear() {
	if p.dead || p.Roster == nil || p.cursor == len(p.w.history) {
		return
	}
	e := p.w.history[p.cursor]
	p.cursor++
	if e.deleted {
		p.Gone(e.lease.ID)
	} else {
		p.See(e.lease, p.clock())
	}
}

func (p *replica) begin(key string) {
	if !p.dead && p.Roster != nil && p.Owns(key) && p.clock().Before(p.Until()) {
		p.acting[key] = true
	}
}

// ask sends a renewal, which says what the replica acts by once it has ended what it no longer owns.
func (p *replica) ask() {
	if p.dead || p.Roster == nil {
		return
	}
	drained := true
	for k := range p.acting {
		drained = drained && p.Owns(k)
	}
	if drained {
		p.said = p.Knows()
	}
	p.asked = append(p.asked, renewal{knows: p.said, sent: p.clock()})
}

func (p *replica) arrive() {
	for i, r := range p.asked {
		if r.applied {
			continue
		}
		p.asked[i].applied = true
		if l, there := p.w.leases[p.id]; there {
			l.Knows = r.knows
			p.w.store(l, false)
		} else {
			p.asked = nil
			p.end()
		}
		return
	}
}

func (p *replica) answer(lost bool) {
	if len(p.asked) == 0 || !p.asked[0].applied || p.dead {
		return
	}
	if !lost {
		p.Renewed(p.asked[0].sent, p.clock())
	}
	p.asked = p.asked[1:]
}

func (p *replica) end() {
	p.dead = true
	clear(p.acting)
}

func (p *replica) expel() {
	if p.dead || p.Roster == nil {
		return
	}
	for _, l := range p.Lapsed(p.clock()) {
		if is, there := p.w.leases[l.ID]; there && is.Version == l.Version {
			p.w.store(is, true)
		}
		if _, there := p.w.leases[l.ID]; !there {
			p.Gone(l.ID)
		}
	}
}

func (w *world) come(rate float64) {
	p := &replica{w: w, id: fmt.Sprintf("r%d", len(w.all)), rate: rate, acting: map[string]bool{}}
	p.sent = p.clock()
	w.store(roster.Lease{ID: p.id, Lasts: lasts}, false)
	w.all = append(w.all, p)
}

// read is the list after which a replica has a roster. What it hears from then on may begin with what it has read already.
func (p *replica) read(back int) {
	if p.dead || p.Roster != nil {
		return
	}
	there := slices.Collect(maps.Values(p.w.leases))
	p.Roster = roster.New(p.id, lasts, p.sent, there, p.clock())
	p.cursor = max(0, len(p.w.history)-back)
}

// goOn does all that a healthy replica does, at once.
func (p *replica) goOn() {
	p.read(0)
	for range len(p.w.history) {
		p.hear()
	}
	p.expel()
	p.ask()
	for len(p.asked) > 0 && !p.dead {
		p.arrive()
		p.answer(false)
	}
	for _, k := range keys {
		p.begin(k)
	}
}

func (w *world) check(t *rapid.T) {
	for _, k := range keys {
		var who []string
		for _, p := range w.all {
			if p.acting[k] {
				who = append(who, p.id)
			}
		}
		if len(who) > 1 {
			t.Fatalf("%v act on %s at once", who, k)
		}
	}
}

// TestLaws lets replicas come, die, stop, and hear and say things late. No two ever act on one key, and once nothing happens any more, each key has one owner.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{leases: map[string]roster.Lease{}}
		rate := func() float64 { return rapid.SampledFrom([]float64{1, 6.0/7 + 0.001, 8.0/7 - 0.001}).Draw(t, "rate") }
		for range rapid.IntRange(1, 3).Draw(t, "first") {
			w.come(rate())
		}
		if rapid.Bool().Draw(t, "settled") {
			w.settle(t)
		}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			p := rapid.SampledFrom(w.all).Draw(t, "who")
			switch rapid.IntRange(0, 19).Draw(t, "what") {
			case 0:
				if len(w.all) < 6 {
					w.come(rate())
				}
			case 1:
				p.read(rapid.IntRange(0, 20).Draw(t, "back"))
			case 2, 3:
				p.hear()
			case 4:
				for range len(w.history) {
					p.hear()
				}
			case 5, 6:
				p.begin(rapid.SampledFrom(keys).Draw(t, "key"))
			case 7:
				delete(p.acting, rapid.SampledFrom(keys).Draw(t, "key"))
			case 8:
				p.ask()
			case 9:
				p.arrive()
			case 10:
				p.answer(rapid.IntRange(1, 5).Draw(t, "lost") == 1)
			case 11:
				w.pass(time.Duration(rapid.IntRange(1, 7).Draw(t, "seconds")) * time.Second)
			case 12:
				p.expel()
			case 13:
				switch rapid.IntRange(1, 4).Draw(t, "end") {
				case 1: // kill -9
					p.end()
				case 2: // a graceful stop
					if p.end(); w.leases[p.id].ID != "" {
						w.store(w.leases[p.id], true)
					}
				}
			case 14, 15:
				w.pass(time.Duration(rapid.IntRange(1, 10).Draw(t, "tenths")) * 100 * time.Millisecond)
			default:
				p.goOn()
			}
			w.check(t)
		}
		w.settle(t)
	})
}

// settle lets all live replicas go on until nothing changes, and looks who owns what.
func (w *world) settle(t *rapid.T) {
	for range 12 {
		w.pass(lasts / 5)
		for _, p := range w.all {
			clear(p.acting)
			p.goOn()
			w.check(t)
		}
	}
	var live []string
	for _, p := range w.all {
		if !p.dead {
			live = append(live, p.id)
		}
	}
	for _, k := range keys {
		var owners []string
		for _, p := range w.all {
			if !p.dead && p.Owns(k) && p.clock().Before(p.Until()) {
				owners = append(owners, p.id)
			}
		}
		if want := roster.Owner(k, live); len(live) > 0 && (len(owners) != 1 || owners[0] != want) {
			t.Fatalf("%v own %s in the end, want %s of %v", owners, k, want, live)
		}
	}
	w.check(t)
}
