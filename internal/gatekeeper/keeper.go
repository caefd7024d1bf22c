package gatekeeper

import (
	"cmp"
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/gate"
)

// Options are what a Keeper needs. Secret, Mark and May must be set.
type Options struct {
	// Secret reads a Secret beside an Environment. Its errors are shown to people.
	Secret func(ctx context.Context, namespace, name string) (map[string][]byte, error)
	// Mark reads what the forge of a Repository says beside a commit, under a name. Its errors are shown to people; fault.After of them is obeyed.
	Mark func(ctx context.Context, namespace, repository, commit, name string) (Mark, error)
	// May says whether an address may be asked: not what takes this process for somebody else.
	May func(netip.Addr) bool
	// Changed is told when an answer for an app may have changed. It must not block. Nil: nobody is told.
	Changed func(App)
	// Every is how often something is asked that answers; 0: [Usual].
	Every time.Duration
	// Now is the clock; nil: that of the machine.
	Now func() time.Time
}

// App is whose release waits.
type App struct{ Namespace, Environment, App string }

// Mark is what a forge says beside a commit. The zero Mark is none.
type Mark struct {
	// State is empty if there is no mark of that name.
	State MarkState
	// Says is what is written there, one line.
	Says string
}

// MarkState is how a mark stands.
type MarkState string

// The states.
const (
	MarkPending MarkState = "pending"
	MarkSuccess MarkState = "success"
	MarkFailure MarkState = "failure"
)

const (
	// Usual is how often something is asked.
	Usual = 20 * time.Second
	// Idle is after how long nothing is asked any more that nobody wants to know.
	Idle = 10 * time.Minute
	// timeout bounds one question, slowest the wait between two.
	timeout = 15 * time.Second
	slowest = 10 * time.Minute
	// steady is how long the words of a closed gate stay if only the numbers in them change.
	steady = time.Minute
	// mostAtOnce bounds what is asked for one namespace at the same time.
	mostAtOnce = 10
)

// question is what is asked: equal questions have one answer.
type question struct {
	namespace string
	key       string // of the gate
	about     string // what of the subject is in the question
}

// line is a question that is asked again and again.
type line struct {
	question
	gate       v1alpha1.Gate
	subject    gate.Subject // one of those who want to know
	repository string

	// What is below is guarded by the Keeper's mutex.
	wanted   map[App]time.Time // who wanted to know, and when last
	answer   gate.Answer
	heard    time.Time // when it was answered last; zero: never
	said     time.Time // since when the answer has these words
	interval time.Duration
}

// Keeper asks what is outside. It is safe for concurrent use.
type Keeper struct {
	Options
	ctx context.Context

	mu    sync.Mutex
	lines map[question]*line
	asked map[App]map[question]bool // by whom a line is wanted, the other way round
	rooms map[string]chan struct{}
}

// New returns a Keeper, which ends with ctx.
func New(ctx context.Context, o Options) *Keeper {
	o.Every = cmp.Or(o.Every, Usual)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Changed == nil {
		o.Changed = func(App) {}
	}
	return &Keeper{Options: o, ctx: ctx, lines: map[question]*line{}, asked: map[App]map[question]bool{}, rooms: map[string]chan struct{}{}}
}

// Answers returns what is known of those gates that ask something outside, by their keys, and sees to it that more will be. Repository names the Repository that
// the app is read from. It does not block. What the app asked before for another commit is asked no more for its sake.
func (k *Keeper) Answers(s gate.Subject, repository string, gates []v1alpha1.Gate) map[string]gate.Answer {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, who := k.Now(), App{s.Namespace, s.Environment, s.App}
	out, mine := map[string]gate.Answer{}, map[question]bool{}
	for _, g := range gates {
		if !gate.IsOutside(g) {
			continue
		}
		q := question{s.Namespace, gate.Key(g), about(g, s, repository)}
		mine[q] = true
		l := k.lines[q]
		if l == nil {
			l = &line{question: q, gate: g, subject: s, repository: repository, wanted: map[App]time.Time{}, interval: k.Every}
			l.answer.Waits = "waits for a first answer"
			k.lines[q] = l
			go k.ask(l)
		}
		l.wanted[who] = now
		out[q.key] = k.known(l, now)
	}
	for q := range k.asked[who] {
		if l := k.lines[q]; l != nil && !mine[q] {
			delete(l.wanted, who)
		}
	}
	if k.asked[who] = mine; len(mine) == 0 {
		delete(k.asked, who)
	}
	return out
}

// Forget says that an app waits for nothing any more. It is enough not to ask for answers; this is quicker.
func (k *Keeper) Forget(who App) {
	k.Answers(gate.Subject{Namespace: who.Namespace, Environment: who.Environment, App: who.App}, "", nil)
}

// known is what a line says by now. The mutex is held.
func (k *Keeper) known(l *line, now time.Time) gate.Answer {
	a := l.answer
	if fresh := l.heard.Add(2*l.interval + 2*timeout); a.Open && now.After(fresh) {
		a = gate.Answer{Waits: "was open at " + l.heard.UTC().Format("15:04:05 MST") + ", and did not answer since"}
	}
	// To be asked for the answer is to go on asking.
	if again := now.Add(Idle / 2); !a.Open && (a.Until.IsZero() || !a.Until.After(now) || again.Before(a.Until)) {
		a.Until = again
	}
	return a
}

// about is what of the subject is in a question.
func about(g v1alpha1.Gate, s gate.Subject, repository string) string {
	switch {
	case g.CommitStatus != nil:
		return repository + " " + s.Commit
	case g.Metric != nil:
		return fill(g.Metric.Query, s)
	}
	return strings.Join([]string{s.Environment, s.App, s.Commit, s.Digest}, " ")
}

// fill replaces the placeholders in a text.
func fill(text string, s gate.Subject) string {
	return strings.NewReplacer("{app}", s.App, "{namespace}", s.Destination, "{environment}", s.Environment, "{commit}", s.Commit).Replace(text)
}

// ask asks a question until nobody wants to know.
func (k *Keeper) ask(l *line) {
	room := k.room(l.namespace)
	for {
		select {
		case room <- struct{}{}:
		case <-k.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(k.ctx, timeout)
		answer, err := k.question(ctx, l)
		cancel()
		<-room
		if k.ctx.Err() != nil {
			return
		}
		tell, wait := k.hear(l, answer, err)
		for _, who := range tell {
			k.Changed(who)
		}
		select {
		case <-time.After(wait):
		case <-k.ctx.Done():
			return
		}
		if !k.goesOn(l) {
			return
		}
	}
}

func (k *Keeper) question(ctx context.Context, l *line) (gate.Answer, error) {
	switch {
	case l.gate.CommitStatus != nil:
		return k.mark(ctx, l)
	case l.gate.Metric != nil:
		return k.metric(ctx, l)
	}
	return k.service(ctx, l)
}

// hear notes an answer, and returns who is to be told, and how long to wait before it is asked again.
func (k *Keeper) hear(l *line, a gate.Answer, err error) ([]App, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.Now()
	if err != nil {
		a = gate.Answer{Waits: clip(err.Error())}
		l.interval = min(max(2*l.interval, fault.After(err)), max(slowest, fault.After(err)))
	} else {
		l.interval = k.Every
	}
	first := l.heard.IsZero()
	l.heard = now
	flipped := first || a.Open != l.answer.Open
	if !flipped && (a == l.answer || now.Sub(l.said) < steady && numberless(a.Waits) == numberless(l.answer.Waits)) {
		return nil, l.interval
	}
	l.answer, l.said = a, now
	tell := make([]App, 0, len(l.wanted))
	for who := range l.wanted {
		tell = append(tell, who)
	}
	return tell, l.interval
}

// numberless is a text without its numbers.
func numberless(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789.-+", r) {
			return -1
		}
		return r
	}, text)
}

// goesOn reports whether anybody still wants to know, and forgets the line if not.
func (k *Keeper) goesOn(l *line) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for who, last := range l.wanted {
		if k.Now().Sub(last) > Idle {
			delete(l.wanted, who)
			if delete(k.asked[who], l.question); len(k.asked[who]) == 0 {
				delete(k.asked, who)
			}
		}
	}
	if len(l.wanted) > 0 {
		return true
	}
	delete(k.lines, l.question)
	return false
}

func (k *Keeper) room(namespace string) chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rooms[namespace] == nil {
		k.rooms[namespace] = make(chan struct{}, mostAtOnce)
	}
	return k.rooms[namespace]
}
