package sim

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Campaign plays many schedules, side by side.
type Campaign struct {
	Workers int
	// Most is how many broken schedules end the campaign; 0 is no end.
	Most int
	// Out is told how it goes: now and then, and of every schedule that breaks something, shrunk.
	Out io.Writer
	// Keep takes a broken schedule, shrunk, to be kept as a test. May be nil.
	Keep func(Schedule, error) error
	// Rough says that it is enough to know that something breaks: nothing is shrunk.
	Rough bool
}

// Result is what a campaign found.
type Result struct {
	Runs, Broken int
	Took         time.Duration
	// First is the first schedule that broke something, and FirstErr what.
	First    Schedule
	FirstErr error
}

func (r Result) String() string {
	return fmt.Sprintf("%d runs in %s, %.0f a second: %d broken", r.Runs, r.Took.Round(time.Second/10), float64(r.Runs)/r.Took.Seconds(), r.Broken)
}

// Seeds are the random schedules of so many seeds.
func Seeds(from, n uint64) iter.Seq[Schedule] {
	return func(yield func(Schedule) bool) {
		for seed := from; seed < from+n; seed++ {
			if !yield(Random(seed)) {
				return
			}
		}
	}
}

// Singles are all schedules of one fault, of every scenario, as one controller plays it and as two replicas do.
func Singles() iter.Seq[Schedule] {
	return func(yield func(Schedule) bool) {
		for _, s := range Scenarios() {
			all := Single(s)
			if !s.twins && !s.shares {
				all = append(all, Shared(s, 2)...)
			}
			for _, x := range all {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// Kept are the schedules that broke something once.
func Kept() iter.Seq[Schedule] {
	return func(yield func(Schedule) bool) {
		for _, s := range keptSchedules() {
			if !yield(s) {
				return
			}
		}
	}
}

//go:embed testdata/kept/*.json
var keptFiles embed.FS

var keptSchedules = sync.OnceValue(func() []Schedule {
	files, err := keptFiles.ReadDir("testdata/kept")
	if err != nil {
		panic(err)
	}
	out := make([]Schedule, 0, len(files))
	for _, f := range files {
		data, err := keptFiles.ReadFile("testdata/kept/" + f.Name())
		if err != nil {
			panic(err)
		}
		s, err := Decode(data)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", f.Name(), err))
		}
		out = append(out, s)
	}
	return out
})

// Hint is where to look for a bug first: a scenario, how many replicas play it, and kinds of faults, all if there are none.
type Hint struct {
	Scenario Scenario // without a name: any
	Replicas int
	Kinds    []Kind
	// Pairs are kinds that strike one request and the next.
	Pairs [][2]Kind
}

// anyScenario is the word for any scenario of one controller, in a hint.
const anyScenario = "any"

// ParseHint reads one: "away partial 410", "life 2 pause", "any 2", or "crossing 409+slow".
func ParseHint(text string) (Hint, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Hint{}, errors.New("a hint names a scenario, and kinds of faults")
	}
	h := Hint{}
	for _, k := range words[1:] {
		n, err := strconv.Atoi(k)
		one, other, pair := strings.Cut(k, "+")
		switch {
		case pair && slices.Contains(everyKind(), Kind(one)) && slices.Contains(everyKind(), Kind(other)):
			h.Pairs = append(h.Pairs, [2]Kind{Kind(one), Kind(other)})
		case slices.Contains(everyKind(), Kind(k)): // some are numbers
			h.Kinds = append(h.Kinds, Kind(k))
		case err == nil:
			h.Replicas = n
		default:
			return h, fmt.Errorf("%q is no kind of fault", k)
		}
	}
	if words[0] == anyScenario {
		return h, nil
	}
	var err error
	h.Scenario, err = Find(words[0])
	return h, err
}

// schedules are all with one fault, and some random ones with several.
func (h Hint) schedules(yield func(Schedule) bool) {
	meant := func(k Kind) bool { return len(h.Kinds) == 0 || slices.Contains(h.Kinds, k) }
	calm, from := Schedule{Scenario: h.Scenario, Replicas: h.Replicas}, []Scenario{h.Scenario}
	if h.Scenario.Name == "" {
		from = slices.DeleteFunc(slices.Clone(Scenarios()), func(s Scenario) bool { return s.twins || s.shares })
	} else if !yield(calm) || !h.systematic(calm, meant, yield) {
		return
	}
	for seed := range uint64(500 * len(from)) {
		dice := rand.New(rand.NewPCG(seed+1, 3)) //nolint:gosec // not secret
		s := Schedule{Scenario: from[int(seed)%len(from)], Seed: seed + 1, Replicas: h.Replicas}
		if !yield(drawn(s, dice, meant)) {
			return
		}
	}
}

// systematic are all schedules with one fault that is meant, and those with a pair. It is false if that is enough.
func (h Hint) systematic(calm Schedule, meant func(Kind) bool, yield func(Schedule) bool) bool {
	for _, p := range h.Pairs {
		for at := range logOf(calm.Scenario, calm.Replicas) {
			s := calm
			if s.Faults = []Fault{{at + 1, p[0]}, {at + 2, p[1]}}; !yield(s) {
				return false
			}
		}
	}
	if len(h.Pairs) > 0 && len(h.Kinds) == 0 {
		return true
	}
	for _, s := range singles(calm) {
		if meant(s.Faults[0].Kind) && !yield(s) {
			return false
		}
	}
	return true
}

// Hunt are schedules for who looks for a bug that must be there: those that it was found by before, then some of every sort before more of any.
func Hunt(seeds uint64, first []Hint) iter.Seq[Schedule] {
	return func(yield func(Schedule) bool) {
		var sorts []iter.Seq[Schedule]
		for _, h := range first {
			sorts = append(sorts, h.schedules)
		}
		for _, all := range append(sorts, Kept(), Seeds(1, 200), part(Singles(), 23), Seeds(201, seeds), Singles()) {
			for s := range all {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// part is every n-th.
func part(all iter.Seq[Schedule], n int) iter.Seq[Schedule] {
	return func(yield func(Schedule) bool) {
		i := 0
		for s := range all {
			if i++; i%n == 0 && !yield(s) {
				return
			}
		}
	}
}

// Play plays schedules until there is none left, too many are broken, or the context ends.
func (c Campaign) Play(ctx context.Context, schedules iter.Seq[Schedule]) (Result, error) {
	began := time.Now()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	work := make(chan Schedule)
	var runs, broken atomic.Int64
	var mu sync.Mutex
	var failed error
	var first Result
	var g sync.WaitGroup
	for range max(c.Workers, 1) {
		g.Go(func() {
			for s := range work {
				err := Run(s)
				runs.Add(1)
				if err == nil {
					continue
				}
				n := broken.Add(1)
				if c.Most > 0 && n >= int64(c.Most) {
					stop()
				}
				small, why := s, err
				if !c.Rough {
					small, why = Shrink(s)
				}
				mu.Lock()
				if first.FirstErr == nil {
					first.First, first.FirstErr = small, why
				}
				_, _ = fmt.Fprintf(c.Out, "BROKEN %s\nshrunk %s\n%v\n", s, small, why)
				if c.Keep != nil && failed == nil {
					failed = c.Keep(small, why)
				}
				mu.Unlock()
			}
		})
	}
	result := func() Result {
		return Result{Runs: int(runs.Load()), Broken: int(broken.Load()), Took: time.Since(began)}
	}
	tell := time.NewTicker(10 * time.Second)
	defer tell.Stop()
	for s := range schedules {
		select {
		case work <- s:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		select {
		case <-tell.C:
			mu.Lock()
			_, _ = fmt.Fprintln(c.Out, result())
			mu.Unlock()
		default:
		}
	}
	close(work)
	g.Wait()
	r := result()
	r.First, r.FirstErr = first.First, first.FirstErr
	return r, failed
}

// kept is a schedule as it is written to a file.
type kept struct {
	Scenario string   `json:"scenario"`
	Seed     uint64   `json:"seed,omitempty"`
	Replicas int      `json:"replicas,omitempty"`
	Faults   []string `json:"faults"`
	// Broke is what it broke when it was kept.
	Broke string `json:"broke,omitempty"`
}

// Encode writes a schedule, and what it broke, as the text of a file; name is for that file.
func Encode(s Schedule, broke error) (name string, data []byte, err error) {
	k := kept{Scenario: s.Scenario.Name, Seed: s.Seed, Replicas: s.Replicas, Faults: []string{}}
	for _, f := range s.Faults {
		k.Faults = append(k.Faults, f.String())
	}
	if broke != nil {
		k.Broke, _, _ = strings.Cut(broke.Error(), "\n")
		_, k.Broke, _ = strings.Cut(k.Broke, ": ")
	}
	data, err = json.MarshalIndent(k, "", "  ")
	words := append([]string{k.Scenario}, k.Faults...)
	if k.Replicas != 0 {
		words = slices.Insert(words, 1, fmt.Sprintf("x%d", k.Replicas))
	}
	if k.Seed != 0 {
		words = slices.Insert(words, 1, strconv.FormatUint(k.Seed, 10))
	}
	return strings.ReplaceAll(strings.Join(words, "_"), "@", "-") + ".json", append(data, '\n'), err
}

// Decode reads a schedule.
func Decode(data []byte) (Schedule, error) {
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return Schedule{}, err
	}
	s := Schedule{Seed: k.Seed, Replicas: k.Replicas}
	var err error
	if s.Scenario, err = Find(k.Scenario); err != nil {
		return Schedule{}, err
	}
	for _, text := range k.Faults {
		kind, number, ok := strings.Cut(text, "@")
		at, err := strconv.Atoi(number)
		if !ok || err != nil {
			return Schedule{}, fmt.Errorf("%q is no fault: want one such as 409@12", text)
		}
		s.Faults = append(s.Faults, Fault{At: at, Kind: Kind(kind)})
	}
	return s, nil
}
