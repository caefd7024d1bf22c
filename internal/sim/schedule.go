package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/diff"
)

// Schedule is all that a run depends on: equal schedules give equal runs.
type Schedule struct {
	Scenario Scenario
	// Seed draws what happens when. 0 draws nothing: what comes first comes first, and people wait until all is at rest.
	Seed   uint64
	Faults []Fault
	// Replicas is how many controllers share the apps in the beginning. 0 is one that shares nothing and knows of no other, unless the scenario says how many.
	Replicas int
	// Verbose is told all that happens, if it is set.
	Verbose io.Writer
	trace   *[]string
	// reference says that this run is what others are compared with.
	reference bool
}

func (s Schedule) String() string {
	words := make([]string, 0, len(s.Faults))
	for _, f := range s.Faults {
		words = append(words, f.String())
	}
	if s.Replicas > 0 {
		words = append([]string{fmt.Sprintf("replicas=%d", s.Replicas)}, words...)
	}
	return fmt.Sprintf("%s seed=%d %s", s.Scenario.Name, s.Seed, strings.Join(words, " "))
}

// Run plays a schedule. The error says which promise was broken.
func Run(s Schedule) error {
	_, err := run(s)
	return err
}

func run(s Schedule) (*world, error) {
	w := newWorld(s)
	w.play()
	if w.failure == nil {
		w.judge()
	}
	for _, p := range slices.Clone(w.processes) {
		p.kill()
	}
	if w.failure != nil {
		return w, fmt.Errorf("%s: %w", s, w.failure)
	}
	return w, nil
}

// calm is how a scenario ends when nothing goes wrong.
type calm struct {
	end      end
	rests    []end
	deleted  map[string]bool
	events   map[string]int
	orphans  map[string]bool
	relapses map[string]int
	told     map[string]int // to those outside
	phases   map[string]int // that the history has
	log      []sent
	err      error
}

var calms sync.Map // of func() calm, by calmKey

type calmKey struct {
	scenario string
	replicas int
}

// calmOf plays a scenario without faults, once.
func calmOf(s Scenario) calm {
	return calmly(calmKey{s.Name, 0}, func() calm {
		w, err := run(Schedule{Scenario: s, reference: true})
		if now := w.course(); err == nil && now != s.course {
			err = fmt.Errorf("%s does not end as its file says:\n%s", s.Name, diff.Diff("file", []byte(s.String()), "now", []byte(now.String())))
		}
		return calm{
			end: w.end(), rests: w.rests, deleted: w.deleted, events: w.events, orphans: w.orphans(), relapses: w.history.relapses, told: w.outside.told,
			phases: w.phases(), log: w.log, err: err,
		}
	})
}

// logOf is what there is to strike when so many replicas play a scenario. That they do it as one does is judged like any other run.
func logOf(s Scenario, replicas int) []sent {
	if replicas == 0 {
		return calmOf(s).log
	}
	return calmly(calmKey{s.Name, replicas}, func() calm {
		w, _ := run(Schedule{Scenario: s, Replicas: replicas})
		return calm{log: w.log}
	}).log
}

func calmly(key calmKey, play func() calm) calm {
	f, _ := calms.LoadOrStore(key, sync.OnceValue(play))
	once, _ := f.(func() calm)
	return once()
}

// Single lists every schedule of one fault: every request of the scenario, and all that can strike it.
func Single(s Scenario) []Schedule { return singles(Schedule{Scenario: s}) }

// Shared lists the same for a number of replicas that share the apps, and, first, the schedule without any fault. Of a replica's renewals that say nothing new
// one is like the other: some of them are struck.
func Shared(s Scenario, replicas int) []Schedule {
	calm := Schedule{Scenario: s, Replicas: replicas}
	return append([]Schedule{calm}, singles(calm)...)
}

func singles(of Schedule) []Schedule {
	var out []Schedule
	renewals := 0
	for i, sent := range logOf(of.Scenario, of.Replicas) {
		if sent.renews {
			if renewals++; renewals > 3 && renewals%10 != 0 {
				continue
			}
		}
		for _, k := range sent.kinds(of.shares()) {
			s := of
			s.Faults = []Fault{{At: i + 1, Kind: k}}
			out = append(out, s)
		}
	}
	return out
}

// shares reports whether the controllers share the apps.
func (s Schedule) shares() bool { return s.Replicas > 0 || s.Scenario.shares }

// kinds lists what can strike a request. Who calls may change what is returned.
func (s sent) kinds(shared bool) []Kind {
	writes, all := slices.Concat(toWrites, toAlone), toRequests
	if shared {
		writes, all = slices.Concat(toWrites, toReplicas), slices.Concat(toRequests, toShared)
	}
	switch {
	case s.verb == "git":
		return slices.Clone(toGit)
	case s.verb == "post", s.verb == "probe", s.verb == "push":
		return slices.Clone(toOutside)
	case s.verb == "discover":
		return slices.Concat(toDiscovery, all)
	case s.first:
		return slices.Concat(toFirst, all)
	case s.verb == "watch":
		return slices.Clone(toRequests)
	case s.write:
		return slices.Concat(writes, toAnswers, all)
	}
	return slices.Concat(toAnswers, all)
}

// fair is how many requests a scenario makes without faults that is drawn as often as any. One that makes more is drawn the less often: what it has as much of
// as others is the time, not the runs.
const fair = 130

// Random draws a schedule: a scenario, how many replicas play it, its order, and up to five faults.
func Random(seed uint64) Schedule {
	dice := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // not secret
	all := Scenarios()
	s := Schedule{Scenario: all[dice.IntN(len(all))], Seed: seed}
	for range 3 {
		if n := len(logOf(s.Scenario, 0)); n <= fair || dice.IntN(n) < fair {
			break
		}
		s.Scenario = all[dice.IntN(len(all))]
	}
	if n := dice.IntN(20); n >= 18 && !s.Scenario.twins && !s.Scenario.shares { // a few: who shares does more
		s.Replicas = n - 16
	}
	return drawn(s, dice, func(Kind) bool { return true })
}

// drawn draws the faults of a schedule, of the kinds that are meant.
func drawn(s Schedule, dice *rand.Rand, meant func(Kind) bool) Schedule {
	log := logOf(s.Scenario, s.Replicas)
	for range dice.IntN(6) {
		at := dice.IntN(len(log) + len(log)/4) // faults make more requests
		from := everyKind()
		if at < len(log) && dice.IntN(2) == 0 {
			from = log[at].kinds(s.shares())
		}
		if from = slices.DeleteFunc(from, func(k Kind) bool { return !meant(k) }); len(from) > 0 {
			s.Faults = append(s.Faults, Fault{At: at + 1, Kind: from[dice.IntN(len(from))]})
		}
	}
	slices.SortFunc(s.Faults, func(a, b Fault) int { return a.At - b.At })
	return s
}

// everyKind lists the kinds of faults. Who calls may change what is returned.
func everyKind() []Kind {
	return slices.Concat(toRequests, toWrites, toAlone, toShared, toReplicas, toAnswers, toDiscovery, toFirst, toGit)
}

// Shrink drops faults, and the order that was drawn, as long as the run still fails. It returns the smallest schedule that it finds, and how that fails.
func Shrink(s Schedule) (Schedule, error) {
	why := Run(s)
	if why == nil {
		return s, nil
	}
	try := func(t Schedule) bool {
		err := Run(t)
		if err != nil {
			s, why = t, err
		}
		return err != nil
	}
	if s.Seed != 0 {
		calm := s
		calm.Seed = 0
		try(calm)
	}
	for i := 0; i < len(s.Faults); {
		fewer := s
		fewer.Faults = slices.Delete(slices.Clone(s.Faults), i, i+1)
		if !try(fewer) {
			i++
		}
	}
	return s, why
}
