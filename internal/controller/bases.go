package controller

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// bases answers what renders ask about bases in other repositories. A commit is what it is: once it is in the mirror nobody is asked any more. What is not there is
// fetched in the background, and waited for a moment: a render that comes too early is tried again.
type bases struct {
	c    *controller
	life context.Context // of what runs in the background

	mu      sync.Mutex
	mirrors map[string]*baseMirror // by mirrorKey
}

// baseMirror is the mirror of one repository as one set of credentials sees it.
type baseMirror struct {
	*mirror
	asked   time.Time
	users   int // who fetches now, or reads the head of a commit
	fetches map[source.Commit]*baseFetch
}

// baseFetch is the fetch of one commit that is not there yet.
type baseFetch struct {
	busy     chan struct{} // closed when it ends; nil: none is under way
	err      error         // why the last one failed
	until    time.Time     // the error stands until then
	failures int
}

const (
	// baseMirrors is how many mirrors are open for the sake of bases alone.
	baseMirrors = 100
	// baseFetches is how many commits are remembered that could not be fetched.
	baseFetches = 1000
)

func newBases(life context.Context, c *controller) *bases {
	return &bases{c: c, life: life, mirrors: map[string]*baseMirror{}}
}

// Ask implements Beyond.
func (b *bases) Ask(ctx context.Context, env *v1alpha1.Environment, q render.Question) (render.Answer, error) {
	rule, field := remoteBaseOf(env, q.URL)
	if field == "" {
		return render.Answer{}, fault.Newf(fault.Invalid, "spec.render.remoteBases of Environment %s/%s does not allow %s: add {url: %s} there, or copy the base into the repository",
			env.Namespace, env.Name, q.URL, q.URL)
	}
	var secret *corev1.Secret
	if rule.SecretRef != nil {
		var err error
		if secret, err = b.c.secretIn(ctx, env.Namespace, field+".secretRef", rule.SecretRef.Name); err != nil {
			return render.Answer{}, err
		}
	}
	auth, err := authOf(secret, q.URL)
	if err != nil {
		return render.Answer{}, fmt.Errorf("%s.secretRef: %w", field, err)
	}
	auth.Field = field + ".secretRef"
	m, err := b.open(q.URL, auth)
	if err != nil {
		return render.Answer{}, err
	}
	defer b.done(m)
	commit := source.Commit(q.Version)
	snapshot, err := m.Snapshot(ctx, commit)
	if err == nil {
		return baseAnswer(snapshot), nil
	}
	busy, f, err := b.fetch(m, auth, q)
	if err != nil {
		return render.Answer{}, keyless(err, secret, auth)
	}
	wait := time.NewTimer(chartMoment)
	defer wait.Stop()
	select {
	case <-busy:
	case <-wait.C:
	case <-ctx.Done():
	}
	if snapshot, err = m.Snapshot(ctx, commit); err == nil {
		return baseAnswer(snapshot), nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.err != nil {
		return render.Answer{}, keyless(f.err, secret, auth)
	}
	return render.Answer{}, fault.Newf(fault.Transient, "%s is being fetched", q)
}

func baseAnswer(s source.Snapshot) render.Answer {
	return render.Answer{ID: string(s.Commit), Tree: s.Tree, Version: string(s.Commit)}
}

// remoteBaseOf is what an Environment says of a repository, and the field that says it; empty: nothing.
func remoteBaseOf(env *v1alpha1.Environment, url string) (v1alpha1.RemoteBase, string) {
	if env.Spec.Render == nil {
		return v1alpha1.RemoteBase{}, ""
	}
	best, longest := -1, 0
	wanted := repositoryAddress(url)
	for i, r := range env.Spec.Render.RemoteBases {
		allowed := repositoryAddress(r.URL)
		if (wanted == allowed || strings.HasPrefix(wanted, allowed+"/")) && len(allowed) > longest {
			best, longest = i, len(allowed)
		}
	}
	if best < 0 {
		return v1alpha1.RemoteBase{}, ""
	}
	return env.Spec.Render.RemoteBases[best], fmt.Sprintf("spec.render.remoteBases[%d]", best)
}

// repositoryAddress is an address in the one form in which addresses are compared.
func repositoryAddress(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok { // user@host:path
		host, p, _ := strings.Cut(url, ":")
		scheme, rest = "ssh", strings.TrimSuffix(host+"/"+strings.TrimPrefix(p, "/"), "/")
	}
	host, p, _ := strings.Cut(rest, "/")
	if scheme == "ssh" && !strings.Contains(host, "@") {
		host = "git@" + host
	}
	p = strings.TrimSuffix(strings.Trim(p, "/"), ".git")
	return strings.TrimSuffix(strings.ToLower(scheme)+"://"+strings.ToLower(host)+"/"+p, "/")
}

// open returns the mirror of a repository, which is kept open; done has to be told.
func (b *bases) open(url string, auth git.Auth) (*baseMirror, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := mirrorKey(url, auth)
	m := b.mirrors[key]
	if m == nil {
		b.makeRoom()
		opened, err := b.c.openMirror(url, auth)
		if err != nil {
			return nil, err
		}
		m = &baseMirror{mirror: opened, fetches: map[source.Commit]*baseFetch{}}
		b.mirrors[key] = m
	}
	m.asked = b.c.now()
	m.users++
	return m, nil
}

func (b *bases) done(m *baseMirror) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.users--
}

// makeRoom closes the mirror that nobody asked for the longest, if there are too many. The lock is held.
func (b *bases) makeRoom() {
	if len(b.mirrors) < baseMirrors {
		return
	}
	oldest := ""
	for key, m := range b.mirrors {
		if m.users == 0 && (oldest == "" || m.asked.Before(b.mirrors[oldest].asked)) {
			oldest = key
		}
	}
	if oldest != "" {
		b.c.closeMirror(b.mirrors[oldest].mirror)
		delete(b.mirrors, oldest)
	}
}

// fetch begins to fetch a commit, or joins who does. The error is that of a fetch that failed a moment ago.
func (b *bases) fetch(m *baseMirror, auth git.Auth, q render.Question) (<-chan struct{}, *baseFetch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	commit := source.Commit(q.Version)
	f := m.fetches[commit]
	if f == nil {
		if len(m.fetches) >= baseFetches {
			clear(m.fetches)
		}
		f = &baseFetch{}
		m.fetches[commit] = f
	}
	if f.busy != nil {
		return f.busy, f, nil
	}
	if f.err != nil && b.c.now().Before(f.until) {
		return nil, f, f.err
	}
	busy := make(chan struct{})
	f.busy = busy
	m.users++
	go func() {
		defer b.done(m)
		defer close(busy)
		ctx, cancel := context.WithTimeout(b.life, chartTime)
		defer cancel()
		got, err := m.Fetch(ctx, auth, []source.Resolved{{Ref: source.Ref{Commit: commit}, Commit: commit}})
		for _, one := range got {
			err = cmp.Or(err, one.Err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		f.busy, f.err = nil, err
		if err != nil {
			f.failures++
			f.until = b.c.now().Add(min(time.Second<<min(f.failures, 10), 10*time.Minute))
			b.c.log.Warn("base not fetched", "base", q.String(), "error", err)
			return
		}
		delete(m.fetches, commit)
		b.c.log.Info("base fetched", "base", q.String())
	}()
	return busy, f, nil
}
