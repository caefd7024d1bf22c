package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// head is what a ref named last.
type head struct {
	source.Resolved
	snapshot source.Snapshot
	moved    time.Time
	forced   bool
	vouched  vouched
	err      error
}

func (h head) revision() v1alpha1.Revision {
	return v1alpha1.Revision{
		Revision: h.Revision(), Short: h.Commit.Short(), Author: author(h.snapshot.Author), Subject: clipText(h.snapshot.Subject, 120),
		At: metav1.NewTime(h.moved.Truncate(time.Second)), Committed: metav1.NewTime(h.snapshot.Author.When.UTC().Truncate(time.Second)),
	}
}

func author(a source.Author) string {
	if a.Email == "" {
		return clipText(a.Name, 120)
	}
	return clipText(fmt.Sprintf("%s <%s>", a.Name, a.Email), 200)
}

// clipText makes one line of at most so many bytes, without what a terminal would obey: also not what turns the order of letters round.
func clipText(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// rereadAll forgets the heads: their snapshots were read from another mirror.
func (c *controller) rereadAll(r *repository) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(r.heads)
	r.nominees, r.listed = nil, nil
}

// answers are what a poll brought.
type answers struct {
	byRef     map[source.Ref]git.Resolution
	followers map[source.Ref][]fleet.Environment
	auth      git.Auth
	trust     *trust // nil: nobody has to vouch for anything
}

// advance moves the heads, and wakes whoever follows one that moved.
func (c *controller) advance(ctx context.Context, r *repository, a answers) error {
	byRef, followers := a.byRef, a.followers
	news := false
	for _, ref := range slices.SortedFunc(maps.Keys(byRef), func(a, b source.Ref) int { return strings.Compare(a.String(), b.String()) }) {
		x := byRef[ref]
		c.mu.Lock()
		was, known := r.heads[ref]
		c.mu.Unlock()
		if known && was.err == nil && was.Resolved == x.Resolved && was.vouched.by == a.trust.id() {
			continue
		}
		h, err := c.headNow(ctx, r, a, was, x)
		if err != nil {
			return err
		}
		moved := was.Commit != h.Commit || !known || !sameText(was.err, h.err)
		if moved {
			c.fleet.Stale(followers[ref]...)
		}
		if moved && known {
			c.askSiblings(r)
		}
		c.mu.Lock()
		r.heads[ref] = h
		c.mu.Unlock()
		news = news || moved // be it that it is read for the first time: others may have read an older one, and ask seldom
		if moved {
			for _, e := range followers[ref] {
				c.envQueue.add(e.Namespace, e.Name)
			}
		}
	}
	if word := r.headsWord(); news && word != r.heard { // who said it knows it
		c.share.Tell(r.key, word)
	}
	return nil
}

// headNow is what a ref names now. If that cannot be used, it is what it named before, and why.
func (c *controller) headNow(ctx context.Context, r *repository, a answers, was head, x git.Resolution) (head, error) {
	refused := x.Err
	var v vouched
	if refused == nil {
		var err error
		if v, err = c.vouch(ctx, r, a, was, x.Resolved); fault.KindOf(err) == fault.Denied || fault.KindOf(err) == fault.Invalid {
			refused = err
		} else if err != nil {
			return head{}, err
		}
	}
	if refused != nil {
		if was.Commit == "" {
			was = c.lastGood(ctx, r, x.Ref)
		}
		was.Ref, was.err = x.Ref, refused
		return was, nil
	}
	snapshot, err := r.mirror.Snapshot(ctx, x.Commit)
	if err != nil {
		return head{}, err
	}
	h := head{Resolved: x.Resolved, snapshot: snapshot, moved: was.moved, forced: was.forced, vouched: v}
	if was.Commit != x.Commit {
		h.moved, h.forced = c.now(), was.Commit != "" && c.forced(ctx, r, was.Commit, x.Commit)
		c.log.InfoContext(ctx, "head moved", "repository", snapshot.URL, "ref", x.Ref.String(), "revision", h.Revision(), "author", h.snapshot.Author.Name,
			"signer", v.signer, "forced", h.forced)
	}
	return h, nil
}

// lastGood is what the status says that a ref named before this process began, if the mirror still has it: what a head that is refused, or gone, must not
// take away. The zero head if there is nothing.
func (c *controller) lastGood(ctx context.Context, r *repository, ref source.Ref) head {
	for _, st := range r.status.Refs {
		id := source.Commit(st.Revision[strings.LastIndexByte(st.Revision, ':')+1:])
		if st.Ref != ref.String() || id == "" {
			continue
		}
		snapshot, err := r.mirror.Snapshot(ctx, id)
		if err != nil {
			continue
		}
		h := head{Resolved: source.Resolved{Ref: ref, Commit: id}, snapshot: snapshot, moved: st.Moved.Time, forced: st.Forced, vouched: vouchedOf(st)}
		if name, _, named := strings.Cut(st.Revision, "@"); named && ref.Branch != "" {
			h.Name = "refs/heads/" + name
		} else if named {
			h.Name = "refs/tags/" + name
		}
		return h
	}
	return head{}
}

func sameText(a, b error) bool {
	if a == nil || b == nil {
		return a == b //nolint:errorlint // both nil, or not
	}
	return a.Error() == b.Error()
}

func (c *controller) forced(ctx context.Context, r *repository, old, now source.Commit) bool {
	forced, err := r.mirror.Forced(ctx, old, now)
	return err == nil && forced
}

// headsWords is how every word about heads begins.
const headsWords = "heads "

// headsWord is what to tell others of the heads. The controller's lock is held, or the caller is the repository's own reconciler.
func (r *repository) headsWord() string {
	refs := make([]string, 0, len(r.heads))
	for ref, h := range r.heads {
		refs = append(refs, ref.String()+"@"+string(h.Commit))
	}
	for ref, n := range r.nominees {
		refs = append(refs, "candidate "+ref.String()+"@"+string(n.Commit))
	}
	slices.Sort(refs)
	sum := sha256.Sum256([]byte(strings.Join(refs, "\n")))
	return headsWords + hex.EncodeToString(sum[:8])
}

// askSiblings lets the other Repositories of the same address be asked too, and deletions wait for their answers: what one environment loses with a commit,
// one that follows another Repository may have gained with the same commit.
func (c *controller) askSiblings(r *repository) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, other := range c.repos {
		if other == r || other.url != r.url || len(other.heads) == 0 || other.silent {
			continue
		}
		other.hooked = true
		c.fleet.Await(name.String())
		c.repoQueue.add(name.Namespace, name.Name)
	}
}

// patience is how often a Repository may fail, about half a minute, before deletions no longer wait for what it may have to say: a server that is down for a
// moment must not cost an object, and one that is down for good must not keep them all.
const patience = 5

// heardOf tells that a Repository has answered, unless it failed and may still do.
func (c *controller) heardOf(name types.NamespacedName, r *repository) {
	c.mu.Lock()
	waits := r.err != nil && !r.silent
	c.mu.Unlock()
	if !waits {
		c.heard(name)
	}
}

// heard tells that a Repository has answered, or will not.
func (c *controller) heard(name types.NamespacedName) {
	if c.fleet.Heard(name.String()) && c.fleet.Idle() {
		c.wakeWaiting()
	}
}

// tellFollowers wakes the environments of a repository when it begins or ends to fail, or when somebody asked for the poll. That is told with when it began.
func (c *controller) tellFollowers(r *repository, followers map[source.Ref][]fleet.Environment, began time.Time, err error, asked bool) {
	c.mu.Lock()
	silent := err != nil && (r.failures > patience || errors.Is(err, errSuspended))
	changed := (r.err == nil) != (err == nil) || silent != r.silent
	r.err, r.polled, r.silent = err, began, silent
	c.mu.Unlock()
	if !changed && !asked {
		return
	}
	for _, envs := range followers {
		for _, e := range envs {
			c.envQueue.add(e.Namespace, e.Name)
		}
	}
}

// wakeLate wakes the environments that looked for a head before it was there, and were not followers yet when it came.
func (c *controller) wakeLate(followers map[source.Ref][]fleet.Environment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, envs := range followers {
		for _, e := range envs {
			if st := c.envs[e]; st != nil && st.waits {
				c.envQueue.add(e.Namespace, e.Name)
			}
		}
	}
}
