package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// move is a branch on its way to a commit. What became of it is known when the branch is read again; this is what is known before. The controller's lock is
// held by who looks at it.
type move struct {
	from            source.Commit
	under           bool // it is being asked for
	next            time.Time
	failures        int
	denied, delayed string
}

// moveTime bounds one try.
const moveTime = time.Minute

func (h *hopeful) move(id string) *move { return h.moves[id] }

// moveBranch asks the Git server to move the branch to what all apps got well with. It does not wait for that. It returns when to ask again what could not be asked
// before; 0: nothing is to be.
func (c *controller) moveBranch(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment, mine bool) time.Duration {
	src, has := candidateSource(env)
	if !mine || !has {
		return 0
	}
	open := map[string]bool{}
	for _, x := range stateOf(st.status).List {
		if open[x.Commit] = x.Phase == candidate.Moving; open[x.Commit] {
			c.askMove(ctx, e, env, st, src, x)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var again time.Duration
	for id, m := range st.hopeful.moves {
		switch wait := m.next.Sub(c.now()); {
		case m.under:
		case !open[id]:
			delete(st.hopeful.moves, id)
		case m.denied == "" && wait > 0 && (again == 0 || wait < again):
			again = wait
		}
	}
	return again
}

func (c *controller) askMove(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment, src v1alpha1.Source, x candidate.Candidate) {
	of := examiner{env: env, src: src, branch: head{Resolved: source.Resolved{Commit: source.Commit(x.Base)}}}
	s := st.hopeful.studies[of.key(source.Commit(x.Commit))]
	if s == nil || s.draft.Commit == "" {
		return // the branch is somewhere else by now
	}
	key := types.NamespacedName{Namespace: env.Namespace, Name: src.Repository}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.repos[key]
	m := st.hopeful.moves[x.Commit]
	if m == nil {
		m = &move{}
		if st.hopeful.moves == nil {
			st.hopeful.moves = map[string]*move{}
		}
		st.hopeful.moves[x.Commit] = m
	}
	if r == nil || r.mirror == nil || m.under || m.denied != "" || m.from == of.branch.Commit && c.now().Before(m.next) {
		return
	}
	m.from, m.under = of.branch.Commit, true
	mirror, read := r.mirror, r.auth
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), moveTime)
	c.aside("move "+key.String()+" to "+string(s.draft.Commit), func() {
		defer cancel()
		err := c.carryOut(ctx, env, src, mirror, read, git.Move{Branch: src.Ref.Branch, From: of.branch.Commit, To: s.draft.Commit, Pack: s.draft.Pack})
		c.moved(ctx, e, key, m, x.Commit, s.draft.Commit, err)
	})
}

// carryOut moves a branch with the credentials that may.
func (c *controller) carryOut(ctx context.Context, env *v1alpha1.Environment, src v1alpha1.Source, mirror Mirror, read git.Auth, v git.Move) error {
	var repo v1alpha1.Repository
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: src.Repository}, &repo); err != nil {
		return err
	}
	auth, err := c.pushAuth(ctx, env, "spec.sources.candidate.secretRef", src.Candidate.SecretRef.Name, repo.Spec.URL, read)
	if err != nil {
		return fault.New(fault.Transient, err) // a person may mend it yet
	}
	return mirror.Move(ctx, auth, v)
}

// pushAuth are the credentials of a Secret that may push. The server is known by what it is read with, unless the Secret says otherwise.
func (c *controller) pushAuth(ctx context.Context, env *v1alpha1.Environment, field, name, url string, read git.Auth) (git.Auth, error) {
	secret, err := c.secretIn(ctx, env.Namespace, field, name)
	if err != nil {
		return git.Auth{}, err
	}
	auth, err := authOf(secret, url)
	if err != nil {
		return git.Auth{}, err
	}
	auth.Field = field
	if len(auth.CA) == 0 {
		auth.CA = read.CA
	}
	if len(auth.KnownHosts) == 0 {
		auth.KnownHosts = read.KnownHosts
	}
	return auth, nil
}

// moved notes what became of a try to move a branch for a candidate, and has the branch read again.
func (c *controller) moved(ctx context.Context, e fleet.Environment, repo types.NamespacedName, m *move, of string, to source.Commit, err error) {
	c.mu.Lock()
	m.under, m.delayed = false, ""
	again := moveAgainMost // it is read again, and known then
	switch {
	case err == nil:
		m.failures = 0
	case errors.Is(err, git.ErrMoved):
		m.delayed = err.Error()
		again = moveAgain << min(m.failures, 6)
		m.failures++
	case fault.KindOf(err) == fault.Denied || fault.KindOf(err) == fault.Invalid:
		m.denied = fmt.Sprintf("%s; when that is mended, this tries it again: fairlead deploy -n %s --environment %s --commit %s --wait", clipText(err.Error(), 500), e.Namespace, e.Name, of)
	default:
		m.delayed = clipText(err.Error(), 500)
		again = min(max(moveAgain<<min(m.failures, 6), fault.After(err)), moveAgainMost)
		m.failures++
	}
	m.next = c.now().Add(again)
	if r := c.repos[repo]; r != nil && (err == nil || errors.Is(err, git.ErrMoved) || errors.Is(err, git.ErrUnknown)) {
		r.hooked = true
	}
	c.mu.Unlock()
	c.log.InfoContext(ctx, "branch asked to move", "environment", e.Namespace+"/"+e.Name, "to", string(to), "error", err)
	c.repoQueue.add(repo.Namespace, repo.Name)
	c.envQueue.add(e.Namespace, e.Name)
}
