package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// A repair, a deletion or a revert is in the history once, whoever dies when. Before it is done it is noted, with what tells afterwards whether it was. When it is
// done it is recorded under the same key, which settles the note. Of what a process left behind, the next one finds out whether it was done before it works on
// any app, and records it, or withdraws it.

// intents are what is about to be done.
type intents struct {
	book history.Notebook
	none atomic.Bool // there is nothing to find out

	mu     sync.Mutex
	unsure []history.Intent     // what was tried, and nobody knows whether it was done
	found  map[string]time.Time // when a deletion by hand was found of which the repair was not done, by app and object
	next   time.Time            // when what is left is looked at again
}

// open are those of which it is to be found out what became of them. The lock is held.
func (i *intents) open() []history.Intent { return append(i.book.Intended(), i.unsure...) }

// act is one intent of a pass.
type act struct {
	intent history.Intent
	keys   []object.Key
	does   plan.Action
}

// proof is what tells whether something was done.
type proof struct {
	What      string    `json:"what"`
	Namespace string    `json:"namespace,omitempty"` // of the environment
	Account   string    `json:"account,omitempty"`   // as which it is done
	Objects   []witness `json:"objects,omitempty"`

	Name string `json:"name,omitempty"` // of the App that goes, or whose release is reverted
	UID  string `json:"uid,omitempty"`

	Environment string `json:"environment,omitempty"`
	Repository  string `json:"repository,omitempty"`
	Branch      string `json:"branch,omitempty"`
	Commit      string `json:"commit,omitempty"`
}

// What a proof is of.
const (
	proofRepair = "repair"
	proofDelete = "delete"
	proofApp    = "app"
	proofRevert = "revert"
)

// witness is one object as it was before.
type witness struct {
	Key     object.Key `json:"key"`
	Version string     `json:"version,omitempty"` // of its API
	UID     string     `json:"uid,omitempty"`     // empty: it was not there
	Print   string     `json:"print,omitempty"`   // its fingerprint as it is to be
	Ignored []string   `json:"ignored,omitempty"`
}

// mostTogether is how many deletions are one record.
const mostTogether = 100

// settleAgain is how soon it is tried again to find out what became of an intent, and settleMost until when.
const (
	settleAgain = 15 * time.Second
	settleMost  = 24 * time.Hour
)

// intend notes what is about to be done. What cannot be noted is done all the same.
func (c *controller) intend(ctx context.Context, r history.Record, p proof) history.Intent {
	text, err := json.Marshal(p)
	i := history.Intent{Record: r, Proof: string(text)}
	if err == nil {
		err = c.intents.book.Intend(i)
	}
	if err != nil {
		c.log.WarnContext(ctx, "not noted before it is done", "what", r.Key, "error", err)
	}
	return i
}

// happened records what was intended.
func (c *controller) happened(ctx context.Context, r history.Record) {
	if err := c.history.Record(r, nil); err != nil {
		c.log.WarnContext(ctx, "not in the history", "what", r.Key, "error", err)
	}
}

// begins notes which repairs and deletions are about to be made. The drift that is undone is on record from then on.
func (c *controller) begins(n app.Name, steps []plan.Step, claims app.Claims) {
	m := c.known(n.Owner())
	if m == nil || m.rehearses.Load() {
		return
	}
	env, _, _ := c.settings(fleet.Of(n))
	if env == nil {
		return
	}
	ctx := context.Background()
	id := identityOf(env)
	var deletions []plan.Step
	for _, s := range steps {
		switch s.Do {
		case plan.Repair:
			m.acts = append(m.acts, c.repairs(ctx, m, id, s, claims[s.Key]))
		case plan.Delete:
			deletions = append(deletions, s)
		case plan.Create, plan.Update, plan.Adopt, plan.Replace, plan.Run:
		}
	}
	for some := range slices.Chunk(deletions, mostTogether) {
		m.acts = append(m.acts, c.deletes(ctx, m, id, some, claims))
	}
}

// repairs notes that a hand edit is about to be undone, and records that it was found.
func (c *controller) repairs(ctx context.Context, m *member, id app.Identity, s plan.Step, claim app.Claim) act {
	name := m.name.Owner().String() + " " + s.Key.String()
	about, at := s.Key.String(), s.Edit.At.UTC()
	if s.Live.IsZero() { // nobody keeps when it was deleted
		c.intents.mu.Lock()
		at = c.intents.found[name]
		delete(c.intents.found, name)
		c.intents.mu.Unlock()
	}
	at = cmp.Or(at, c.now().UTC().Truncate(time.Second))
	switch g := s.Live.Generation(); {
	case s.Live.IsZero():
	case g > 0: // two edits within a second are two
		about += fmt.Sprint(" ", g)
	default:
		about += " " + s.Live.ResourceVersion()
	}
	c.happened(ctx, keyed(m, history.Record{Time: at, Kind: history.Drift, Phase: history.Found, Who: s.Edit.Manager, Why: edited(s)}, at, about))
	r := keyed(m, history.Record{Time: c.now(), Kind: history.Drift, Phase: history.Gone, Why: "undone: " + s.Key.String()}, at, about)
	w := witnessOf(s, claim)
	i := c.intend(ctx, r, proof{What: proofRepair, Namespace: id.Namespace, Account: id.ServiceAccount, Name: name, Objects: []witness{w}})
	return act{intent: i, keys: []object.Key{s.Key}, does: plan.Repair}
}

func (c *controller) deletes(ctx context.Context, m *member, id app.Identity, some []plan.Step, claims app.Claims) act {
	p := proof{What: proofDelete, Namespace: id.Namespace, Account: id.ServiceAccount}
	a := act{does: plan.Delete}
	for _, s := range some {
		a.keys = append(a.keys, s.Key)
		p.Objects = append(p.Objects, witnessOf(s, claims[s.Key]))
	}
	r := keyed(m, history.Record{Time: c.now(), Kind: history.Prune, Why: deletedText(a.keys)}, c.now(), a.keys[0].String()+" "+some[0].Live.UID())
	a.intent = c.intend(ctx, r, p)
	return a
}

func witnessOf(s plan.Step, claim app.Claim) witness {
	return witness{Key: s.Key, Version: cmp.Or(claim.Version, s.Live.APIVersion()), UID: s.Live.UID(), Print: claim.Print, Ignored: app.IgnoredOf(s.Object)}
}

func deletedText(keys []object.Key) string {
	var names []string
	for _, k := range keys {
		names = append(names, k.String())
	}
	return "deleted " + strings.Join(names, ", ")
}

// done records what a pass did of what it was about to do. What may have been done is looked at later.
func (c *controller) done(ctx context.Context, m *member, results []engine.Result) {
	acts := m.acts
	m.acts = nil
	for _, a := range acts {
		var did, maybe []object.Key
		for _, r := range results {
			if !slices.Contains(a.keys, r.Step.Key) || r.Step.Do != a.does {
				continue
			}
			if a.does == plan.Delete {
				c.doubtDelete(ctx, m, r)
			}
			switch {
			case r.Err == nil:
				did = append(did, r.Step.Key)
			case isUnsure(r.Err):
				maybe = append(maybe, r.Step.Key)
			}
		}
		switch {
		case len(maybe) > 0 && a.does == plan.Repair:
			c.doubt(a.intent)
			c.appQueue.after(m.name.Namespace, m.name.Object(), settleAgain)
		case len(did) == 0:
			c.intents.book.Withdraw(a.intent.Record.Key)
		case a.does == plan.Repair:
			c.happened(ctx, a.intent.Record)
		default:
			r := a.intent.Record
			r.Why = clipText(deletedText(did), history.MostText)
			c.happened(ctx, r)
		}
	}
}

// doubtDelete keeps a deletion of which nobody knows whether it was done as an intent of its own, as long as it is not tried again.
func (c *controller) doubtDelete(ctx context.Context, m *member, of engine.Result) {
	s := of.Step
	r := keyed(m, history.Record{Time: c.now(), Kind: history.Prune, Why: deletedText([]object.Key{s.Key})}, s.Live.Created(), s.Key.String()+" "+s.Live.UID())
	if of.Err == nil {
		c.forgetDoubt(r.Key)
		return
	}
	env, _, _ := c.settings(fleet.Of(m.name))
	if !isUnsure(of.Err) || env == nil {
		return
	}
	id := identityOf(env)
	c.forgetDoubt(r.Key)
	i := c.intend(ctx, r, proof{What: proofDelete, Namespace: id.Namespace, Account: id.ServiceAccount, Objects: []witness{witnessOf(s, app.Claim{})}})
	c.doubt(i)
	c.appQueue.after(m.name.Namespace, m.name.Object(), settleAgain)
}

// forgetDoubt drops an intent that something else tells of.
func (c *controller) forgetDoubt(key string) {
	c.intents.mu.Lock()
	n := len(c.intents.unsure)
	c.intents.unsure = slices.DeleteFunc(c.intents.unsure, func(x history.Intent) bool { return x.Record.Key == key })
	dropped := len(c.intents.unsure) < n
	c.intents.mu.Unlock()
	if dropped {
		c.intents.book.Withdraw(key)
	}
}

// isUnsure reports whether a request that failed may have been carried out.
func isUnsure(err error) bool {
	var refusal *plan.Refusal
	if errors.As(err, &refusal) {
		return false
	}
	kind := fault.KindOf(err)
	return kind == fault.Transient || kind == fault.Internal
}

// doubt keeps what may have been done, until it is known.
func (c *controller) doubt(i history.Intent) {
	c.intents.mu.Lock()
	defer c.intents.mu.Unlock()
	c.intents.unsure = append(c.intents.unsure, i)
	c.intents.none.Store(false)
}

// findOut finds out what became of what was intended: by the process before this one, or by this one without an answer. What cannot be found out now waits.
func (c *controller) findOut(ctx context.Context) {
	if c.intents.none.Load() {
		return
	}
	c.intents.mu.Lock()
	list, now := c.intents.open(), c.now()
	c.intents.none.Store(len(list) == 0)
	if len(list) == 0 || now.Before(c.intents.next) {
		c.intents.mu.Unlock()
		return
	}
	c.intents.next = now.Add(settleAgain)
	c.intents.mu.Unlock()
	for _, i := range list {
		var p proof
		if err := json.Unmarshal([]byte(i.Proof), &p); err != nil {
			c.foundOut(ctx, i, i.Record, false)
			continue
		}
		if p.What == proofRevert { // Git may hang: it has a loop of its own
			c.revertQueue.add(p.Namespace, p.Name)
			continue
		}
		r, was, err := c.was(ctx, i.Record, p)
		switch {
		case err == nil:
			c.foundOut(ctx, i, r, was)
		case now.Sub(i.Record.Time) > settleMost:
			r.Why = clipText(r.Why+" (whether it was done cannot be found out: "+err.Error()+")", history.MostText)
			c.foundOut(ctx, i, r, true)
		case fault.KindOf(err) == fault.Transient:
			c.log.WarnContext(ctx, "whether it was done is not known yet", "what", r.Key, "error", err)
			return // the others would wait for the same
		}
	}
}

// foundOut says what became of an intent.
func (c *controller) foundOut(ctx context.Context, i history.Intent, r history.Record, was bool) {
	if was {
		c.happened(ctx, r)
	} else {
		c.intents.book.Withdraw(i.Record.Key)
	}
	c.log.InfoContext(ctx, "what was intended is settled", "what", r.Key, "done", was)
	c.intents.mu.Lock()
	defer c.intents.mu.Unlock()
	c.intents.unsure = slices.DeleteFunc(c.intents.unsure, func(x history.Intent) bool { return x.Record.Key == i.Record.Key })
}

// was finds out whether something was done to objects, and returns the record of what was.
func (c *controller) was(ctx context.Context, r history.Record, p proof) (history.Record, bool, error) {
	if p.What == proofApp {
		var obj v1alpha1.App
		err := c.reader.Get(ctx, types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, &obj)
		if absent.Object(err) || err == nil && string(obj.UID) != p.UID {
			return r, true, nil
		}
		return r, false, transient(err)
	}
	session, err := c.cluster.As(app.Identity{Namespace: p.Namespace, ServiceAccount: p.Account})
	if err != nil {
		return r, false, transient(err)
	}
	var did []object.Key
	for _, w := range p.Objects {
		res, err := c.cluster.Kinds.Any(ctx, object.ParseGVK(w.Version, w.Key.Kind))
		var live object.Object
		if err == nil {
			live, err = session.Live(ctx, res, w.Key.Namespace, w.Key.Name)
		} else if fault.KindOf(err) == fault.Invalid { // a kind that is gone took its objects along
			err = nil
		}
		switch {
		case err != nil:
			return r, false, err
		case p.What == proofDelete && live.UID() != w.UID:
			did = append(did, w.Key)
		case p.What == proofRepair && fingerprint.ParsePrint(w.Print).Same(fingerprint.Of(live, app.Manager, w.Ignored), true) && !live.IsZero():
			did = append(did, w.Key)
		}
	}
	switch {
	case len(did) > 0 && p.What == proofDelete:
		r.Why = clipText(deletedText(did), history.MostText)
	case len(did) == 0 && p.What == proofRepair && p.Objects[0].UID == "": // the same deletion is found again
		c.intents.mu.Lock()
		if c.intents.found == nil {
			c.intents.found = map[string]time.Time{}
		}
		c.intents.found[p.Name] = foundAt(r)
		c.intents.mu.Unlock()
	}
	return r, len(did) > 0, nil
}

// foundAt is when the drift was found that the record of a repair tells of: its key has that.
func foundAt(r history.Record) time.Time {
	for word := range strings.SplitSeq(r.Key, " ") {
		if at, err := time.Parse(time.RFC3339Nano, word); err == nil {
			return at.UTC()
		}
	}
	return r.Time.UTC().Truncate(time.Second)
}

// transient has an error tried again.
func transient(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Transient, err)
}

// intendRevert notes that a commit is about to be pushed that reverts a release.
func (c *controller) intendRevert(ctx context.Context, n app.Name, p place, r history.Record, v git.Move) history.Intent {
	return c.intend(ctx, r, proof{
		What: proofRevert, Namespace: n.Namespace, Name: n.Object(), Environment: n.Environment, Repository: p.repository, Branch: v.Branch, Commit: string(v.To),
	})
}

// settleReverts finds out whether reverts of an app were pushed of which nobody knows. It returns false if that is still not known.
func (c *controller) settleReverts(ctx context.Context, namespace, name string) bool {
	all := true
	c.intents.mu.Lock()
	list := c.intents.open()
	c.intents.mu.Unlock()
	for _, i := range list {
		var p proof
		if err := json.Unmarshal([]byte(i.Proof), &p); err != nil || p.What != proofRevert || p.Namespace != namespace || p.Name != name {
			continue
		}
		was, err := c.pushed(ctx, p)
		switch r := i.Record; {
		case err == nil:
			c.foundOut(ctx, i, r, was)
		case c.now().Sub(r.Time) > settleMost:
			r.Why = clipText(r.Why+" (whether it was pushed cannot be found out: "+err.Error()+")", history.MostText)
			c.foundOut(ctx, i, r, true)
		default:
			all = false
			c.log.WarnContext(ctx, "whether it was pushed is not known yet", "what", r.Key, "error", err)
		}
	}
	return all
}

// pushed reports whether a branch has a commit.
func (c *controller) pushed(ctx context.Context, p proof) (bool, error) {
	g, err := c.openGit(ctx, types.NamespacedName{Namespace: p.Namespace, Name: p.Repository})
	if err != nil {
		return false, err
	}
	defer g.close(c)
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	list, err := g.mirror.Resolve(ctx, g.auth, []source.Ref{{Branch: p.Branch}})
	switch {
	case err != nil:
		return false, err
	case list[0].Err != nil && fault.KindOf(list[0].Err) == fault.Invalid: // there is no such branch
		return false, nil
	case list[0].Err != nil:
		return false, list[0].Err
	case string(list[0].Commit) == p.Commit:
		return true, nil
	}
	fetched, err := g.mirror.Fetch(ctx, g.auth, []source.Resolved{list[0].Resolved})
	if err == nil {
		err = fetched[0].Err
	}
	if err == nil {
		_, err = g.mirror.Past(ctx, g.auth, list[0].Commit, p.Commit)
	}
	if fault.KindOf(err) == fault.Invalid && err != nil {
		return false, nil
	}
	return err == nil, err
}
