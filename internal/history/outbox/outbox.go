// Package outbox hands records over to a store in the background: who records never waits for a database, and nothing is lost if there is none for a while.
//
//	o := outbox.New(outbox.Options{Open: open, Log: log})
//	go o.Run(ctx)
//	err := o.Record(r, done) // o is a history.Recorder
//
// What it holds is bounded. It holds it in memory and, if it may, in a journal, which the process that comes after it takes up. If the store fails, what waits
// is tried again, in the order in which it came, less and less often up to every half a minute.
//
// The journal also keeps what is about to be done, until it is recorded or withdrawn: whoever finds it there finds out whether it was.
//
// Invariants: done is called only after Append returned without an error for the record; what the journal could take is stored though the process dies; an intent
// that the journal could take is there for the next process, unless it was recorded or withdrawn.
package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
)

// Store is where records go.
type Store interface {
	// Append stores records, all or none, and returns those that were not stored yet. A key is stored once.
	Append(ctx context.Context, records []history.Record) ([]history.Record, error)
}

// Bounds of what waits, and of what is handed over at once.
const (
	Most     = 20_000
	mostSize = 64 << 20
	// mostIntents bounds what is about to be done, and mostProof what tells of one whether it was.
	mostIntents = 2000
	mostProof   = 64 << 10
	batch       = 200
)

// How long it is waited after a failure, at first and at most, and how long one attempt may take. Parting is what the last attempt of a process may take.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
	patience   = time.Minute
	parting    = 5 * time.Second
)

// Options are what an Outbox needs.
type Options struct {
	// Open opens the store. It is called until it succeeds, and then never again.
	Open func(context.Context) (Store, error)
	// Stored, if not nil, is told what was added to the store, before each done.
	Stored func([]history.Record)
	// Journal is a file, of this Outbox alone, for what waits; empty: what waits is lost with the process, but for what who recorded keeps.
	Journal string
	Log     *slog.Logger
}

// Outbox is records on their way to a store. It may be used by several goroutines; Run by one.
type Outbox struct {
	options Options
	wake    chan struct{}

	mu      sync.Mutex
	queue   []*waiting // in the order in which they came
	byKey   map[string]*waiting
	size    int
	failing error // why the last attempt failed; nil: it did not
	counts  Counts
	journal *journal         // nil: there is none
	intents []history.Intent // what is about to be done
	left    map[string]bool  // the keys of those of them that a process before this one had
	torn    error            // why the journal did not take the last record; nil: it did
}

// Counts are what happened since the start of the process.
type Counts struct {
	Stored, Failures, Refused int // records that were stored, attempts that failed, records that were not taken
}

type waiting struct {
	record history.Record
	size   int
	done   []func()
}

// New makes an Outbox, with what its journal says is still waiting. It takes records at once, and hands them over when Run runs. That there can be no journal
// is no error, but is logged.
func New(o Options) *Outbox {
	box := &Outbox{options: o, wake: make(chan struct{}, 1), byKey: map[string]*waiting{}, left: map[string]bool{}}
	if o.Journal == "" {
		return box
	}
	j, left, err := openJournal(o.Journal)
	if err != nil {
		o.Log.Warn("what waits for the history is in memory alone", "error", err)
		return box
	}
	for _, r := range left.records {
		if box.byKey[r.Key] == nil {
			box.push(r)
		}
	}
	for _, i := range left.intents {
		box.intents, box.left[i.Record.Key] = append(box.intents, i), true
	}
	if box.journal = j; len(left.records)+len(left.intents) > 0 || left.skipped > 0 {
		o.Log.Info("journal of the history read", "records", len(left.records), "intents", len(left.intents), "skipped", left.skipped)
	}
	return box
}

// Record takes a record: see [history.Recorder].
func (o *Outbox) Record(r history.Record, done func()) error {
	r, err := history.Fit(r)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if known := o.byKey[r.Key]; known != nil {
		known.add(done)
		if o.settle(r.Key) && o.journal != nil {
			o.noted(o.journal.add(note{Withdrawn: r.Key})) // the record is in it already
		}
		return nil
	}
	if len(o.queue) >= Most || o.size+sizeOf(r) > mostSize && len(o.queue) > 0 {
		o.counts.Refused++
		return fault.Newf(fault.Transient, "%d records wait for the history store, and no more are taken%s", len(o.queue), because(o.failing))
	}
	o.push(r).add(done)
	o.settle(r.Key)
	if o.journal != nil {
		o.noted(o.journal.add(r))
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

// Intend notes what is about to be done: see [history.Notebook].
func (o *Outbox) Intend(i history.Intent) error {
	r, err := history.Fit(i.Record)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case len(i.Proof) > mostProof:
		return fault.Newf(fault.Invalid, "what tells whether %s was done is too long", r.Key)
	case len(o.intents) >= mostIntents:
		return fault.Newf(fault.Transient, "%d things are about to be done, and no more are noted", len(o.intents))
	}
	o.settle(r.Key)
	i.Record = r
	o.intents = append(o.intents, i)
	if o.journal != nil {
		o.noted(o.journal.add(note{Intent: &i}))
	}
	return nil
}

// Withdraw says that what was about to be done was not: see [history.Notebook].
func (o *Outbox) Withdraw(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.settle(key) && o.journal != nil {
		o.noted(o.journal.add(note{Withdrawn: key}))
		o.shorten()
	}
}

// settle forgets an intent. The lock is held.
func (o *Outbox) settle(key string) bool {
	n := len(o.intents)
	o.intents = slices.DeleteFunc(o.intents, func(i history.Intent) bool { return i.Record.Key == key })
	delete(o.left, key)
	return len(o.intents) < n
}

// Intended are the intents of the process before this one: see [history.Notebook].
func (o *Outbox) Intended() []history.Intent {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []history.Intent
	for _, i := range o.intents {
		if o.left[i.Record.Key] {
			out = append(out, i)
		}
	}
	return out
}

// push puts a record at the end of what waits.
func (o *Outbox) push(r history.Record) *waiting {
	w := &waiting{record: r, size: sizeOf(r)}
	o.queue, o.byKey[r.Key], o.size = append(o.queue, w), w, o.size+w.size
	return w
}

// sizeOf is about what a record takes in memory.
func sizeOf(r history.Record) int {
	return len(r.Plan) + len(r.Why) + 1024*(1+len(r.Want.Images)+len(r.Back.Images))
}

// noted says, once, that the journal takes nothing more.
func (o *Outbox) noted(err error) {
	if err != nil && o.torn == nil {
		o.options.Log.Warn("what waits for the history is in memory alone", "error", err)
	}
	o.torn = err
}

// shorten takes out of the journal what is stored, when that is cheap or it is long.
func (o *Outbox) shorten() {
	switch {
	case o.journal == nil:
	case len(o.queue)+len(o.intents) == 0:
		o.noted(o.journal.clear())
	case o.journal.size > mostJournal:
		var left []history.Record
		for _, w := range o.queue {
			left = append(left, w.record)
		}
		o.noted(o.journal.keep(left, o.intents))
	}
}

func (w *waiting) add(done func()) {
	if done != nil {
		w.done = append(w.done, done)
	}
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// Run hands records over until ctx ends; then it tries once more, for a few seconds.
func (o *Outbox) Run(ctx context.Context) {
	var store Store
	pause := firstPause
	for {
		more, err := o.attempt(ctx, &store)
		switch {
		case err == nil && more:
			pause = firstPause
			continue
		case err == nil:
			pause = firstPause
			select {
			case <-ctx.Done():
			case <-o.wake:
				continue
			}
		case ctx.Err() == nil:
			o.options.Log.WarnContext(ctx, "history not stored", "pending", o.Pending(), "again", pause.String(), "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
				pause = min(2*pause, lastPause)
				continue
			}
		}
		o.part(ctx, store)
		return
	}
}

// part tries once more what is left.
func (o *Outbox) part(ctx context.Context, store Store) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer cancel()
	more, err := true, error(nil)
	for more && err == nil {
		more, err = o.attempt(last, &store)
	}
	if n := o.Pending(); n > 0 {
		o.options.Log.WarnContext(last, "records of the history are not stored yet: who recorded them does so again", "pending", n, "error", err)
	}
}

// attempt opens the store, if it is not open, and hands over one batch. It reports whether more wait.
func (o *Outbox) attempt(ctx context.Context, store *Store) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if *store == nil {
		s, err := o.options.Open(ctx)
		if err != nil {
			o.failed(err)
			return true, err
		}
		*store = s
	}
	some := o.first()
	if len(some) == 0 {
		o.succeeded(nil, 0)
		return false, nil
	}
	records := make([]history.Record, len(some))
	for i, w := range some {
		records[i] = w.record
	}
	added, err := (*store).Append(ctx, records)
	if err != nil {
		o.failed(err)
		return true, err
	}
	if o.options.Stored != nil {
		o.options.Stored(added)
	}
	for _, done := range o.succeeded(some, len(added)) {
		done()
	}
	return o.Pending() > 0, nil
}

// first are those that came first.
func (o *Outbox) first() []*waiting {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.queue[:min(batch, len(o.queue)):min(batch, len(o.queue))]
}

// succeeded drops what was stored, and returns who is to be told.
func (o *Outbox) succeeded(stored []*waiting, added int) []func() {
	o.mu.Lock()
	defer o.mu.Unlock()
	var tell []func()
	for _, w := range stored {
		delete(o.byKey, w.record.Key)
		o.size -= w.size
		tell = append(tell, w.done...)
	}
	o.queue = append([]*waiting(nil), o.queue[len(stored):]...)
	o.counts.Stored += added
	o.failing = nil
	o.shorten()
	return tell
}

func (o *Outbox) failed(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts.Failures++
	o.failing = err
}

// Pending is how many records wait.
func (o *Outbox) Pending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue)
}

// Counts are what happened since the start.
func (o *Outbox) Counts() Counts {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts
}

// Trouble says that records wait because the store cannot be reached, and why; empty: they do not.
func (o *Outbox) Trouble() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failing == nil {
		return ""
	}
	return fmt.Sprintf("%d records wait for the history store: %s", len(o.queue), o.failing)
}
