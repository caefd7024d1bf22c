// Package keeper is the history as one process keeps it: records on their way to a store, what is counted of those that got there, and what goes with age.
//
//	k := keeper.New(keeper.Options{Address: "sqlite:/var/lib/fairlead/history.db", Metrics: registry, Log: log, Now: time.Now})
//	go k.Run(ctx)
//	err := k.Record(r, done) // it is a history.Recorder
//
// A store that cannot be opened or reached stops nothing: it is tried again, and [Keeper.Trouble] says so meanwhile.
package keeper

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/outbox"
	"github.com/fairlead-cd/fairlead/internal/history/store"
)

// Options are what a Keeper needs.
type Options struct {
	Address string // of the store: see store.Create
	Journal string // a file of this process for what waits for the store; empty: it waits in memory alone
	// Retention is how long records are kept at least; 0: for ever.
	Retention time.Duration
	Metrics   prometheus.Registerer
	Log       *slog.Logger
	Now       func() time.Time
}

// Keeper is the history of one process. It may be used by several goroutines; Run by one.
type Keeper struct {
	options Options
	outbox  *outbox.Outbox
	store   atomic.Pointer[store.Store]
	figures *figures
}

// New makes a Keeper. It takes records at once; nothing is opened before Run.
func New(o Options) *Keeper {
	k := &Keeper{options: o, figures: newFigures(o.Metrics)}
	k.outbox = outbox.New(outbox.Options{Open: k.first, Stored: k.stored, Journal: o.Journal, Log: o.Log})
	k.figures.outbox(o.Metrics, k.outbox)
	return k
}

// Record takes a record: see [history.Recorder].
func (k *Keeper) Record(r history.Record, done func()) error { return k.outbox.Record(r, done) }

// Intend notes what is about to be done: see [history.Notebook].
func (k *Keeper) Intend(i history.Intent) error { return k.outbox.Intend(i) }

// Withdraw says that it was not done.
func (k *Keeper) Withdraw(key string) { k.outbox.Withdraw(key) }

// Intended is what the process before this one was about to do.
func (k *Keeper) Intended() []history.Intent { return k.outbox.Intended() }

// Trouble says that records wait because the store cannot be reached, and why; empty: they do not.
func (k *Keeper) Trouble() string { return k.outbox.Trouble() }

// Store is the store, to read. As long as it could not be opened it is an error of kind Transient that says why.
func (k *Keeper) Store() (*store.Store, error) {
	if s := k.store.Load(); s != nil {
		return s, nil
	}
	if why := k.Trouble(); why != "" {
		return nil, fault.New(fault.Transient, errors.New(why))
	}
	return nil, fault.New(fault.Transient, errors.New("the history store is not open yet: try again"))
}

// first opens the store for the outbox.
func (k *Keeper) first(ctx context.Context) (outbox.Store, error) {
	_, err := k.open(ctx)
	return kept{k}, err
}

func (k *Keeper) open(ctx context.Context) (*store.Store, error) {
	s, err := store.Create(ctx, k.options.Address)
	if err != nil {
		return nil, err
	}
	end, err := s.End(ctx)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	k.store.Store(s)
	// Whoever keeps logs elsewhere can hold the store to this: fairlead history verify --noted.
	k.options.Log.InfoContext(ctx, "history store open", "store", store.Name(k.options.Address), "end", end.String())
	return s, nil
}

// kept is the store that is open, as the outbox has it: another one once somebody has taken away the file of the first.
type kept struct {
	*Keeper
}

// Append implements outbox.Store. What went to a file that is not there any more is handed over again, to the one that is opened then.
func (k kept) Append(ctx context.Context, records []history.Record) ([]history.Record, error) {
	s := k.store.Load()
	if s == nil {
		var err error
		if s, err = k.open(ctx); err != nil {
			return nil, err
		}
	}
	added, err := s.Append(ctx, records)
	if !s.Moved() {
		return added, err
	}
	k.store.Store(nil)
	_ = s.Close()
	return nil, fault.Newf(fault.Transient, "the file of the history (%s) was removed or replaced while it was in use: what only it had is lost, and records go on in the one that is "+
		"there now, or a new one; to bring back a backup, stop the controller first", store.Name(k.options.Address))
}

// Run keeps the history until ctx ends, and closes the store.
func (k *Keeper) Run(ctx context.Context) {
	var all sync.WaitGroup
	if k.options.Retention > 0 {
		all.Go(func() { k.retain(ctx) })
	}
	k.outbox.Run(ctx)
	all.Wait()
	if s := k.store.Load(); s != nil {
		_ = s.Close()
	}
}

// retainEvery is how often old records are dropped. Every replica does so: it is soon done if another one has.
const retainEvery = 6 * time.Hour

func (k *Keeper) retain(ctx context.Context) {
	for wait := time.Minute; ; wait = retainEvery {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		s := k.store.Load()
		if s == nil {
			continue
		}
		n, err := s.Retain(ctx, k.options.Now().Add(-k.options.Retention))
		switch {
		case ctx.Err() != nil:
		case err != nil:
			k.options.Log.WarnContext(ctx, "old records of the history are not dropped", "error", err)
		case n > 0:
			k.options.Log.InfoContext(ctx, "old records of the history dropped", "records", n)
		}
	}
}

// stored counts what was added.
func (k *Keeper) stored(added []history.Record) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, r := range added {
		k.figures.records.WithLabelValues(string(r.Kind)).Inc()
		for _, e := range k.events(ctx, r) {
			k.figures.event(e)
		}
	}
}

// events are what a record means for delivery. What was before it is asked of the store: it may have been another process that stored it. If the store does
// not answer, it counts as the first that is known.
func (k *Keeper) events(ctx context.Context, r history.Record) []history.Event {
	var o history.Observer
	if len(o.Take(r)) == 0 && !ends(r) {
		return nil
	}
	o = history.Observer{}
	before := history.Query{
		Namespaces: []string{r.Namespace}, Environments: []string{r.Environment}, App: r.App, Kinds: []history.Kind{history.Release, history.Prune}, To: r.Time, Latest: true,
	}
	for was, err := range k.store.Load().Find(ctx, before) {
		if err != nil {
			k.options.Log.WarnContext(ctx, "what was before a record cannot be read: delivery figures may lack a restoration", "record", r.Key, "error", err)
			break
		}
		if was.Seq != r.Seq && was.App == r.App {
			o.Take(was)
		}
	}
	return o.Take(r)
}
