package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// repository is what is known of a Repository between polls. Only its own reconciler writes it; heads are read under the controller's lock.
type repository struct {
	stored[v1alpha1.RepositoryStatus]
	key        string
	mirror     *mirror
	generation int64
	synced     string // the sync request that was handled
	heads      map[source.Ref]head
	nominees   map[source.Ref]nominee  // what names candidates, or is asked for as one
	listed     map[source.Pattern]bool // the patterns of which those are all
	auth       git.Auth                // what it was asked with last
	next       time.Time               // when to ask again
	notBefore  time.Time               // the server asked to be left alone until then
	failures   int
	hooked     bool      // a webhook arrived
	word       string    // what another process says of the heads, so that it is to be asked
	heard      string    // so it was with the poll that is under way
	said       string    // what was heard last and has not been read here
	saidAt     time.Time // when that was
	hold       hold      // whether its object is written by this process
	err        error     // why the last poll failed
	silent     bool      // it failed so often that nobody waits for it any more
	polled     time.Time // when the last poll that was answered began
	known      bool      // stored was read
	edition    edition
	url        string
}

// reconcileRepository asks a repository for the heads of what is followed, if it is time to.
func (c *controller) reconcileRepository(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var repo v1alpha1.Repository
	err := c.client.Get(ctx, req.NamespacedName, &repo)
	if apierrors.IsNotFound(err) {
		c.dropRepository(ctx, req.NamespacedName)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if repo.Spec.CommitStatus != nil {
		c.tells.Store(true)
	}
	r := c.repository(req.NamespacedName)
	if err := c.newest(ctx, &repo, &r.edition); err != nil {
		return reconcile.Result{}, absent.Ignore(err)
	}
	if err := c.takeRepository(ctx, &repo, r); err != nil {
		return reconcile.Result{}, err
	}
	refs, followers, hopes, err := c.followed(ctx, &repo)
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(refs) == 0 { // there may be nobody else to release what an Environment claimed that went while no process ran
		if err := c.preload(ctx); err != nil {
			return reconcile.Result{}, err
		}
	}
	now := c.now()
	if repo.Spec.Suspend {
		c.tellFollowers(r, followers, now, errSuspended, false)
		c.heard(req.NamespacedName)
		return reconcile.Result{}, c.repositoryStatus(ctx, &repo, r, refs, "Suspended", errSuspended)
	}
	if wait, due := c.due(r, &repo, refs, hopes, now); !due {
		c.wakeLate(followers)
		c.heardOf(req.NamespacedName, r)
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	c.mu.Lock()
	asked := r.hooked
	r.hooked, r.url, r.heard, r.word = false, repo.Spec.URL, r.word, "" // a webhook that arrives from here on asks for another look
	if strings.HasPrefix(r.heard, headsWords) {
		r.said, r.saidAt = r.heard, c.now()
	}
	c.mu.Unlock()
	began := c.now() // what is pushed, or asked for, from here on may be missing in the answer
	err = c.poll(ctx, &repo, r, refs, followers, hopes)
	r.generation, r.synced = repo.Generation, repo.Annotations[AnnotationSync]
	c.schedule(r, &repo, err)
	c.tellFollowers(r, followers, began, err, asked)
	c.heardOf(req.NamespacedName, r)
	c.wakeLate(followers)
	if err != nil {
		c.log.WarnContext(ctx, "repository not read", "repository", req.String(), "error", err, "failures", r.failures, "again", r.next.Sub(c.now()).Round(time.Second).String())
	}
	if err := c.repositoryStatus(ctx, &repo, r, refs, "Failed", err); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: max(r.next.Sub(c.now()), time.Millisecond)}, nil
}

var errSuspended = fault.New(fault.Invalid, errors.New("suspended: spec.suspend of the Repository is set"))

func (c *controller) repository(name types.NamespacedName) *repository {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.repos[name]
	if r == nil {
		r = &repository{key: keyOfRepository(name), heads: map[source.Ref]head{}}
		c.repos[name] = r
	}
	return r
}

// dropRepository forgets a Repository that was deleted. Its environments keep what they have, and say that their source is gone.
func (c *controller) dropRepository(ctx context.Context, name types.NamespacedName) {
	c.mu.Lock()
	r := c.repos[name]
	delete(c.repos, name)
	c.mu.Unlock()
	c.heard(name)
	if r != nil && r.mirror != nil {
		c.closeMirror(r.mirror)
	}
	var envs v1alpha1.EnvironmentList
	if err := c.client.List(ctx, &envs, client.InNamespace(name.Namespace)); err == nil {
		for i := range envs.Items {
			c.envQueue.add(envs.Items[i].Namespace, envs.Items[i].Name)
		}
	}
}

// followed lists the refs that environments follow in a repository, which environments those are, and what else they hope for.
func (c *controller) followed(ctx context.Context, repo *v1alpha1.Repository) ([]source.Ref, map[source.Ref][]fleet.Environment, hopes, error) {
	var envs v1alpha1.EnvironmentList
	var h hopes
	if err := c.client.List(ctx, &envs, client.InNamespace(repo.Namespace)); err != nil {
		return nil, nil, h, fmt.Errorf("list environments: %w", err)
	}
	followers := map[source.Ref][]fleet.Environment{}
	var refs []source.Ref
	for i := range envs.Items {
		env := &envs.Items[i]
		for _, s := range env.Spec.Sources {
			if s.Repository != repo.Name {
				continue
			}
			ref := refOf(s.Ref)
			if followers[ref] == nil {
				refs = append(refs, ref)
			}
			e := fleet.Environment{Namespace: env.Namespace, Name: env.Name}
			if !slices.Contains(followers[ref], e) {
				followers[ref] = append(followers[ref], e)
			}
			if s.Candidate != nil {
				h.add(env, s)
			}
		}
	}
	slices.SortFunc(refs, func(a, b source.Ref) int { return strings.Compare(a.String(), b.String()) })
	return refs, followers, h, nil
}

func refOf(r v1alpha1.Ref) source.Ref {
	return source.Ref{Branch: r.Branch, Tag: r.Tag, SemVer: r.SemVer, Commit: source.Commit(cmp.Or(r.Commit, strings.TrimPrefix(r.Digest, "sha256:")))}
}

// due says whether to ask the server now, and if not, how long to wait. What the server asked for goes before what people ask for.
func (c *controller) due(r *repository, repo *v1alpha1.Repository, refs []source.Ref, h hopes, now time.Time) (time.Duration, bool) {
	if now.Before(r.notBefore) {
		return r.notBefore.Sub(now), false
	}
	asked := r.generation != repo.Generation || r.synced != repo.Annotations[AnnotationSync] || r.hooked
	fresh := false
	c.mu.Lock()
	for _, ref := range refs {
		if _, ok := r.heads[ref]; !ok && r.failures == 0 {
			fresh = true
		}
	}
	fresh = fresh || r.failures == 0 && h.isNew(r)
	c.mu.Unlock()
	next := r.next
	if mine := r.polled.Add(intervalOf(repo)*21/20 + time.Millisecond); r.hold.mine && r.failures == 0 && mine.Before(next) {
		next = mine // it was another process's to ask every time
	}
	if asked || fresh || !now.Before(next) {
		return 0, true
	}
	return next.Sub(now), false
}

// poll asks for the heads, fetches what moved, and wakes the environments that follow it.
func (c *controller) poll(ctx context.Context, repo *v1alpha1.Repository, r *repository, refs []source.Ref, followers map[source.Ref][]fleet.Environment, h hopes) error {
	began := c.now()
	err := c.pollOnce(ctx, repo, r, refs, followers, h)
	c.metrics.stage("fetch", c.now().Sub(began), err)
	return err
}

func (c *controller) pollOnce(ctx context.Context, repo *v1alpha1.Repository, r *repository, refs []source.Ref, followers map[source.Ref][]fleet.Environment, h hopes) error {
	secret, err := c.secretOf(ctx, repo)
	if err != nil {
		return err
	}
	auth, err := authOf(secret, repo.Spec.URL)
	if err != nil {
		return err
	}
	trusted, err := c.trustOf(ctx, repo)
	if err != nil {
		return err
	}
	if r.mirror == nil || r.mirror.key != mirrorKey(addressOf(repo), auth) {
		old := r.mirror
		if r.mirror, err = c.openMirror(addressOf(repo), auth); err != nil {
			return err
		}
		if old != nil {
			c.closeMirror(old)
			c.rereadAll(r)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	timeout := cmp.Or(repo.Spec.Timeout.Duration, 2*time.Minute)
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resolved, err := r.mirror.Resolve(asking, auth, refs, h.patterns()...)
	if err != nil {
		return keyless(err, secret, auth)
	}
	named := resolved[len(refs):]
	resolved = resolved[:len(refs)]
	var want []source.Resolved
	for _, x := range resolved {
		if x.Err == nil {
			want = append(want, x.Resolved)
		}
	}
	fetching, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fetched, err := r.mirror.Fetch(fetching, auth, want)
	if err != nil {
		return err
	}
	byRef := map[source.Ref]git.Resolution{}
	for _, x := range slices.Concat(resolved, fetched) {
		byRef[x.Ref] = x
	}
	a := answers{byRef: byRef, followers: followers, auth: auth, trust: trusted}
	if news := c.nominate(fetching, r, h, a, named); news { // before the heads are known: who knows them knows these
		h.wake(c)
	}
	return c.advance(ctx, r, a)
}

// seldom is how many intervals pass between two looks at a repository that another process asks every time: that one tells when there is something new.
const seldom = 10

func intervalOf(repo *v1alpha1.Repository) time.Duration {
	return cmp.Or(repo.Spec.Interval.Duration, time.Minute)
}

// schedule says when to ask again: after the interval, or after a failure with back-off and jitter, or when the server allows it.
func (c *controller) schedule(r *repository, repo *v1alpha1.Repository, err error) {
	now := c.now()
	interval := intervalOf(repo)
	r.notBefore = time.Time{}
	if err == nil {
		r.failures = 0
		if !r.hold.mine && !c.isUnread(r) && !c.isBehind(r, seldom*interval) {
			interval *= seldom
		}
		r.next = now.Add(c.jitter(interval, 0.05))
		return
	}
	if r.failures == 0 || !now.Before(r.next) { // how long it fails counts, not how often somebody asks meanwhile
		r.failures++
		r.next = now.Add(c.jitter(min(time.Second<<min(r.failures-1, 10), max(interval, 5*time.Minute)), 0.2))
	}
	if after := fault.After(err); after > 0 {
		r.notBefore = now.Add(after)
		r.next = now.Add(max(after, r.next.Sub(now)))
	}
}

// isUnread reports whether it is not known what a candidate of a repository is: its server, or the disk, failed meanwhile. Who asks every time may have read it, and
// has nothing new to tell.
func (c *controller) isUnread(r *repository) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range r.nominees {
		if kind := fault.KindOf(n.err); n.err != nil && kind != fault.Invalid && kind != fault.Denied {
			return true
		}
	}
	return false
}

// isBehind reports whether others have read other heads than those that the server shows here: the mirror behind one address that answers may not have them yet. It
// is not for longer than a while: they may have been gone by the time that it was asked.
func (c *controller) isBehind(r *repository, while time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return r.said != "" && r.said != r.headsWord() && c.now().Sub(r.saidAt) < while
}

// jitter spreads d by up to a part of it, so that many repositories of one server are not asked at once.
func (c *controller) jitter(d time.Duration, part float64) time.Duration {
	return d + time.Duration(float64(d)*part*c.random())
}

func (c *controller) repositoryStatus(ctx context.Context, repo *v1alpha1.Repository, r *repository, refs []source.Ref, failed string, err error) error {
	ctx, done, mine := c.share.Act(ctx, r.key)
	defer done()
	if !mine || !r.hold.mine {
		return nil
	}
	if r.isDoubted(c, repo.Status) {
		var live v1alpha1.Repository
		if err := c.reader.Get(ctx, client.ObjectKeyFromObject(repo), &live); err != nil {
			return absent.Ignore(err)
		}
		r.stored = read(live.Status, &live)
	}
	st := *r.status.DeepCopy()
	st.ObservedGeneration, st.LastHandledSync = repo.Generation, r.synced
	st.Refs = nil
	var parts []string
	c.mu.Lock()
	for _, ref := range refs {
		h, ok := r.heads[ref]
		if !ok || len(st.Refs) == 100 {
			continue
		}
		x := v1alpha1.RefStatus{Ref: ref.String()}
		if h.Commit != "" {
			x.Revision, x.Author, x.Subject = h.Revision(), author(h.snapshot.Author), clipText(h.snapshot.Subject, 120)
			x.Moved, x.Forced = metav1.NewTime(h.moved.Truncate(time.Second)), h.forced
			x.Signer, x.Verified = h.vouched.signer, h.vouched.time()
			parts = append(parts, ref.String()+"@"+h.Commit.Short())
		}
		if h.err != nil {
			x.Error = clipText(h.err.Error(), 500)
			err = errors.Join(err, fmt.Errorf("%s: %w", ref, h.err))
		}
		for _, old := range r.status.Refs { // a restart must not look like a move
			if old.Ref == x.Ref && old.Revision == x.Revision {
				x.Moved, x.Forced = old.Moved, old.Forced || x.Forced
			}
		}
		st.Refs = append(st.Refs, x)
	}
	c.mu.Unlock()
	st.Summary = clipText(strings.Join(parts, ", "), 200)
	reason, message := "Fetched", cmp.Or(st.Summary, "no environment follows this repository")
	if err != nil {
		reason, message = failed, clipText(err.Error(), 700)
	}
	setConditions(&st.Conditions, repo.Generation, c.now(), err == nil, stalled(err), reason, message)
	if equality.Semantic.DeepEqual(st, r.status) {
		return nil
	}
	wasBad := r.status.Conditions != nil && !meta.IsStatusConditionTrue(r.status.Conditions, "Ready")
	if err != nil && !sameMessage(r.status.Conditions, message) {
		c.warn(repo, reason, "Fetch", message)
	} else if err == nil && wasBad {
		c.note(repo, reason, "Fetch", message)
	}
	again, err := r.write(ctx, c, repo, repo.Status, st, r.status.ObservedGeneration == 0)
	if again {
		c.repoQueue.after(repo.Namespace, repo.Name, conflictAgain)
	}
	return err
}
