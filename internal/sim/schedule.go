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
	end     end
	rests   []end
	deleted map[string]bool
	events  map[string]int
	orphans map[string]bool
	log     []sent
	err     error
}

var calms sync.Map // of func() calm, by name of the scenario

// calmOf plays a scenario without faults, once.
func calmOf(s Scenario) calm {
	f, _ := calms.LoadOrStore(s.Name, sync.OnceValue(func() calm {
		w, err := run(Schedule{Scenario: s, reference: true})
		if now := w.course(); err == nil && now != s.course {
			err = fmt.Errorf("%s does not end as its file says:\n%s", s.Name, diff.Diff("file", []byte(s.String()), "now", []byte(now.String())))
		}
		return calm{end: w.end(), rests: w.rests, deleted: w.deleted, events: w.events, orphans: w.orphans(), log: w.log, err: err}
	}))
	once, _ := f.(func() calm)
	return once()
}

// Single lists every schedule of one fault: every request of the scenario, and all that can strike it.
func Single(s Scenario) []Schedule {
	var out []Schedule
	for i, sent := range calmOf(s).log {
		for _, k := range sent.kinds() {
			out = append(out, Schedule{Scenario: s, Faults: []Fault{{At: i + 1, Kind: k}}})
		}
	}
	return out
}

// kinds lists what can strike a request. Who calls may change what is returned.
func (s sent) kinds() []Kind {
	switch {
	case s.verb == "git":
		return slices.Clone(toGit)
	case s.verb == "discover":
		return slices.Concat(toDiscovery, toRequests)
	case s.first:
		return slices.Concat(toFirst, toRequests)
	case s.verb == "watch":
		return slices.Clone(toRequests)
	case s.write:
		return slices.Concat(toWrites, toAnswers, toRequests)
	}
	return slices.Concat(toAnswers, toRequests)
}

// Random draws a schedule: a scenario, its order, and up to five faults.
func Random(seed uint64) Schedule {
	dice := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // not secret
	all := Scenarios()
	return drawn(all[dice.IntN(len(all))], seed, dice, func(Kind) bool { return true })
}

// randomOf draws a schedule of one scenario, with faults of the kinds that are meant.
func randomOf(s Scenario, seed uint64, meant func(Kind) bool) Schedule {
	return drawn(s, seed, rand.New(rand.NewPCG(seed, 3)), meant) //nolint:gosec // not secret
}

func drawn(of Scenario, seed uint64, dice *rand.Rand, meant func(Kind) bool) Schedule {
	s := Schedule{Scenario: of, Seed: seed}
	log := calmOf(of).log
	for range dice.IntN(6) {
		at := dice.IntN(len(log) + len(log)/4) // faults make more requests
		from := everyKind()
		if at < len(log) && dice.IntN(2) == 0 {
			from = log[at].kinds()
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
	return slices.Concat(toRequests, toWrites, toAnswers, toDiscovery, toFirst, toGit)
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
