package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/sim/kube"
)

// Fault is one thing that goes wrong: at the n-th request that a controller sends, be it to the API server or to a Git server, counted from 1.
type Fault struct {
	At   int
	Kind Kind
}

func (f Fault) String() string { return fmt.Sprintf("%s@%d", f.Kind, f.At) }

// Kind is what goes wrong.
type Kind string

// The kinds of faults.
const (
	CrashBefore Kind = "crash-before" // the process dies before the request is sent
	CrashAfter  Kind = "crash-after"  // the process dies before the answer arrives
	CrashLag    Kind = "crash-lag"    // it dies before the answer arrives, and whatever the next one lists first lags behind
	Timeout     Kind = "timeout"      // the request does not arrive
	Lost        Kind = "lost"         // the request is carried out, and its answer does not arrive
	Absent      Kind = "404"          // the server does not know the resource, as one that starts
	Conflict    Kind = "409"
	Expired     Kind = "410"
	Invalid     Kind = "422"
	Busy        Kind = "429"
	Broken      Kind = "500"
	Unavailable Kind = "503"
	Stale       Kind = "stale"   // the first list of a watch is answered from a cache that lags behind; only the API server may do that, and only there
	Partial     Kind = "partial" // discovery lacks groups
	Overdue     Kind = "overdue" // it is carried out, and only after a while, in which much happens, it is clear that no answer arrives
	Slow        Kind = "slow"    // the answer takes its time: much happens between what was done and the word of it
	Cut         Kind = "cut"     // every watch of the process breaks off
	Compact     Kind = "compact" // the history is forgotten: who has not read all of it gets a 410
	Coalesce    Kind = "coalesce"
	Repeat      Kind = "repeat" // every watch tells its last event again
	Twin        Kind = "twin"   // another controller starts beside it; some time later both are stopped, and one is started
	Ahead       Kind = "ahead"  // the process sleeps for an hour, as far as its clock tells
	Behind      Kind = "behind" // the process dies, and the next one runs where the clock is an hour late: within a process, Go's clock never goes back
	Pause       Kind = "pause"  // the process stands still for longer than its Lease lasts, before it sends the request
	Hang        Kind = "hang"   // the same, just when it has made sure that it still may send it
	Doze        Kind = "doze"   // the same as pause, and its clock stands still, too
	Join        Kind = "join"   // another replica comes, and goes some time later
	Leave       Kind = "leave"  // the process gives its Lease back and ends, and another one is started
	GitDown     Kind = "git-down"
	GitDenied   Kind = "git-denied"
	GitTorn     Kind = "git-torn" // the files of the commit that is read cannot be read for a while
)

// toRequests, toWrites, toAnswers, toDiscovery, toFirst, toGit and toOutside are the kinds that can strike a request, a write, one that is answered with
// objects, a discovery, the first list of a watch, one to Git, and one to somebody else: who is told, or an app that is tried. toAlone are those that can strike a write of who shares nothing; toShared and toReplicas a request, and a
// write, of who does.
var (
	toRequests  = []Kind{Timeout, Absent, Expired, Invalid, Busy, Broken, Unavailable, Cut, Compact, Coalesce, Repeat}
	toWrites    = []Kind{CrashBefore, CrashAfter, CrashLag, Lost, Overdue, Conflict, Ahead, Behind}
	toAlone     = []Kind{Twin}
	toShared    = []Kind{Pause, Doze}
	toReplicas  = []Kind{Hang, Join, Leave}
	toAnswers   = []Kind{Slow}
	toDiscovery = []Kind{Partial}
	toFirst     = []Kind{Stale}
	toGit       = []Kind{CrashBefore, GitDown, GitDenied, GitTorn}
	toOutside   = []Kind{CrashBefore, CrashAfter, Timeout, Lost, Broken, Busy}
)

var (
	errTimeout     = fmt.Errorf("the request was lost: %w", context.DeadlineExceeded)
	errUnavailable = kube.Error(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "the server is currently unable to handle the request")
	errDead        = errors.New("the process is dead")
)

// twinLife is how long two controllers run side by side.
const twinLife = 20 * time.Second

// staleBy is how many writes a cache lags behind.
const staleBy = 8

// restartAfter is how long it takes to start a process that died.
const restartAfter = time.Second

// intercept decides how a request to the API server fares.
func (w *world) intercept(r kube.Request) kube.Verdict {
	name, ours := strings.CutPrefix(r.Agent, "fairlead/")
	if !ours {
		return kube.Verdict{}
	}
	p := w.byName[name]
	if p.dead {
		return kube.Verdict{Refuse: errDead}
	}
	sends := p.sends
	p.sends = sending{}
	w.now = w.now.Add(tick)
	w.meanwhile(p, r)
	if p.dead {
		return kube.Verdict{Refuse: errDead}
	}
	w.sent(sent{verb: r.Verb, write: r.Write(), first: w.first, renews: r.Verb == "update" && r.Resource == leaseResource})
	w.note(func() string { return fmt.Sprintf("  %s %d: %s", name, w.requests, r) })
	v := kube.Verdict{}
	if p.lags {
		v = w.strike(p, r, Fault{Kind: Stale}, v)
	}
	struck := w.struck()
	stands := w.shares && slices.ContainsFunc(struck, func(f Fault) bool { return f.Kind == Hang || f.Kind == Doze })
	was := stands && w.isThere(r)
	for _, f := range struck {
		v = w.strike(p, r, f, v)
	}
	if v.Refuse == nil {
		v.Refuse = p.mayWrite(r)
	}
	if v.Refuse == nil && r.Write() {
		w.promised(p, sends, r)
		if w.shares && slices.ContainsFunc(struck, func(f Fault) bool { return f.Kind == Hang }) {
			w.blind = true
			v.Refuse = w.freeze(p)
		}
		if (stands || w.shares && w.now.Before(p.dreams)) && v.Refuse == nil { // no Lease keeps what is under way from arriving
			w.claims = nil
			w.history.excused = w.history.excused || stands || r.Resource.GroupResource() == served["Secret"].GroupResource() && r.Namespace == system
			repairs := was && !w.isThere(r) // what it was about to change it must not make
			w.haunted = w.haunted || !repairs && sends.covered() != nil
		}
		w.sign(&v)
	}
	return v
}

// isThere reports whether the object of a request exists.
func (w *world) isThere(r kube.Request) bool {
	return slices.ContainsFunc(w.server.Objects(r.Resource.GroupResource()), func(u *unstructured.Unstructured) bool {
		return u.GetNamespace() == r.Namespace && u.GetName() == r.Name
	})
}

// strike lets a fault happen to a request.
func (w *world) strike(p *process, r kube.Request, f Fault, v kube.Verdict) kube.Verdict {
	switch f.Kind {
	case CrashBefore:
		w.crash(p)
		v.Refuse = errDead
	case CrashAfter, CrashLag:
		w.lags = f.Kind == CrashLag
		w.crash(p)
		v.Lose = errDead
	case Timeout:
		v.Refuse = errTimeout
	case Lost:
		v.Lose = errTimeout
	case Overdue:
		v.Lose = errTimeout
		fallthrough
	case Slow:
		if r.Verb != "discover" { // who does that holds a lock that all need
			v.After = func() error { return w.await(p, patience(r)) }
		}
	case Absent:
		v.Refuse = apierrors.NewGenericServerResponse(http.StatusNotFound, r.Verb, schema.GroupResource{}, "", "404 page not found", 0, true)
	case Conflict:
		v.Refuse = apierrors.NewConflict(r.Resource.GroupResource(), r.Name, errors.New("the object has been modified"))
	case Expired:
		v.Refuse = apierrors.NewResourceExpired("too old")
	case Invalid:
		if w.schedule.Scenario.pushes {
			break // a candidate is refused for that, for good
		}
		v.Refuse = apierrors.NewInvalid(schema.GroupKind{Kind: r.Resource.Resource}, r.Name, nil)
	case Busy:
		v.Refuse = apierrors.NewTooManyRequests("slow down", 1)
	case Broken:
		v.Refuse = kube.Error(http.StatusInternalServerError, metav1.StatusReasonInternalError, "etcdserver: leader changed")
	case Unavailable:
		v.Refuse = errUnavailable
	case Stale:
		if w.first {
			v.AsOf = max(w.oldest, w.server.Revision()-staleBy)
		}
	case Pause:
		if w.shares {
			v.Refuse = cmp.Or(v.Refuse, w.freeze(p))
		}
	case Doze:
		if w.shares {
			v.Refuse = cmp.Or(v.Refuse, w.doze(p))
		}
	case Partial:
		p.partial = r.Verb == "discover"
	case GitDown, GitDenied, GitTorn, Hang:
	default:
		if f.Kind != Join && f.Kind != Leave && f.Kind != Twin || r.Verb != "discover" { // who discovers holds a lock that all need: the world must not go on
			w.around(p, f.Kind)
		}
	}
	if p.dead && v.Lose == nil {
		v.Refuse = errDead
	}
	return v
}

// around lets happen what is not about a request.
func (w *world) around(p *process, k Kind) {
	switch k {
	case Cut:
		for _, x := range p.pumps {
			x.cut()
		}
	case Compact:
		w.observe()
		w.claims = nil
		w.oldest = w.server.Revision()
		w.server.Compact(w.oldest)
	case Coalesce:
		for _, x := range p.pumps {
			x.coalesce()
		}
	case Repeat:
		for _, x := range p.pumps {
			if x.last != nil && x.at == watching {
				x.pending = slices.Insert(x.pending, 0, *x.last) // a watch never tells what was before after what is
			}
		}
	case Join, Leave:
		if w.shares {
			w.comeOrGo(p, k)
		}
	case Twin:
		if w.shares || w.schedule.Scenario.pushes { // of two that push, the one goes on from what the other has not read
			return
		}
		w.twin()
		w.timers.add(timer{at: w.now.Add(twinLife), what: "end of the twins", do: w.untwin})
	case Ahead:
		p.skew += time.Hour
		w.since = w.now.Add(lasts / 3) // its Lease has lapsed: from when it is renewed, it watches those of the others anew
	case Behind:
		w.skew -= time.Hour
		w.crash(p)
	default:
	}
}

// crash kills a process, and lets it be started again.
func (w *world) crash(p *process) {
	w.crashes++
	w.since = maxTime(w.since, w.now)
	p.kill()
	w.timers.add(timer{at: w.now.Add(restartAfter), what: "restart", do: func() {
		if len(w.processes) < w.replicas && !w.stopped {
			w.start()
		}
	}})
}

// gitFate decides how a request to a Git server fares.
func (w *world) gitFate(p *process, what string) error {
	if p.dead {
		return errDead
	}
	w.now = w.now.Add(tick)
	w.meanwhile(p, kube.Request{Verb: "git"})
	if p.dead {
		return errDead
	}
	w.sent(sent{verb: "git"})
	w.note(func() string { return fmt.Sprintf("  %s %d: %s", p.name, w.requests, what) })
	for _, f := range w.struck() {
		switch f.Kind {
		case CrashBefore, CrashAfter:
			w.crash(p)
			return errDead
		case GitDown:
			return fault.New(fault.Transient, errors.New("connection refused"))
		case GitDenied:
			return fault.New(fault.Denied, errors.New("authentication failed"))
		case GitTorn:
			w.torn = w.now.Add(tornFor)
		default:
			w.around(p, f.Kind)
		}
	}
	return nil
}
