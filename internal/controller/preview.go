package controller

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// Preview answers what would be done: it looks at Git and at the cluster, and does nothing.
func (l *Loops) Preview(ctx context.Context, req preview.Request) (preview.Reply, error) {
	return l.c.preview(ctx, req)
}

// preview answers a request. Any replica can: of an app that another one has, it asks the API server about every object instead of its watches.
func (c *controller) preview(ctx context.Context, req preview.Request) (preview.Reply, error) {
	if err := c.preload(ctx); err != nil {
		return preview.Reply{}, err
	}
	env, _, ruleErr := c.settings(fleet.Environment{Namespace: req.Namespace, Name: req.Environment})
	switch {
	case env == nil:
		return preview.Reply{}, fault.Newf(fault.Invalid, "there is no environment %s in namespace %s, or it has not been read yet", req.Environment, req.Namespace)
	case !env.DeletionTimestamp.IsZero():
		return preview.Reply{}, fault.Newf(fault.Invalid, "environment %s is being deleted", req.Environment)
	case ruleErr != nil:
		return preview.Reply{}, ruleErr
	}
	reply := preview.Reply{Namespace: req.Namespace, Environment: req.Environment}
	if req.To == "" {
		return c.previewNow(ctx, env, req, reply)
	}
	repository, refs, err := repositoryOf(env, req.Repository)
	if err != nil {
		return reply, err
	}
	name := types.NamespacedName{Namespace: env.Namespace, Name: repository}
	to, err := c.headAt(ctx, name, req.To)
	defer func() { to.end(c) }()
	if err != nil {
		return reply, err
	}
	reply.To, reply.Notes = to.head.Revision(), to.notes
	if req.From != "" {
		from, err := c.headAt(ctx, name, req.From)
		defer func() { from.end(c) }()
		if err != nil {
			return reply, err
		}
		reply.From = from.head.Revision()
		return c.compare(ctx, env, req, reply, func(h head) ([]sourceHead, error) { return c.headsAt(ctx, env, repository, refs, h) }, from.head, to.head)
	}
	s := c.suppose()
	for _, other := range c.following(env, repository) { // what moves one of them moves them all
		heads, err := c.headsAt(ctx, other, repository, refs, to.head)
		if err == nil {
			err = s.move(ctx, other, heads)
		}
		if err != nil && other != env {
			reply.Notes = append(reply.Notes, fmt.Sprintf("environment %s follows the same, and could not be looked at: %s", other.Name, clipText(err.Error(), 300)))
		} else if err != nil {
			return reply, err
		}
	}
	return c.tellAll(ctx, s, req, reply)
}

// following are the environments of a namespace that follow a Repository where a given one does, that one among them.
func (c *controller) following(env *v1alpha1.Environment, repository string) []*v1alpha1.Environment {
	_, refs, _ := repositoryOf(env, repository)
	out := []*v1alpha1.Environment{env}
	c.mu.Lock()
	defer c.mu.Unlock()
	for e, st := range c.envs {
		if e.Namespace != env.Namespace || e.Name == env.Name || st.spec == nil || !st.spec.DeletionTimestamp.IsZero() {
			continue
		}
		if slices.ContainsFunc(st.spec.Spec.Sources, func(s v1alpha1.Source) bool { return s.Repository == repository && refs[refOf(s.Ref)] }) {
			out = append(out, st.spec)
		}
	}
	return out
}

// previewNow answers what is to be done as Git is now, or as the request has it.
func (c *controller) previewNow(ctx context.Context, env *v1alpha1.Environment, req preview.Request, reply preview.Reply) (preview.Reply, error) {
	s := c.suppose()
	if len(req.Rendered) > 0 {
		reply.To = "a local directory"
		if err := s.give(ctx, env, req); err != nil {
			return reply, err
		}
	}
	return c.tellAll(ctx, s, req, reply)
}

// tellAll foresees all apps that are asked about.
func (c *controller) tellAll(ctx context.Context, s *supposition, req preview.Request, reply preview.Reply) (preview.Reply, error) {
	s.resumed = req.Resumed
	e := fleet.Environment{Namespace: req.Namespace, Name: req.Environment}
	for _, n := range s.fleet.Apps(e) {
		s.member(n)
	}
	if err := s.settle(ctx); err != nil {
		return reply, err
	}
	reply.Notes = append(reply.Notes, s.notes...)
	if !s.fleet.Idle() {
		reply.Notes = append(reply.Notes, "not everything has been read yet, here or in another environment: deletions are not decided until it is")
	}
	names := s.sorted(e, req.App)
	if len(names) == 0 && req.App != "" {
		return reply, fault.New(fault.Invalid, fmt.Errorf("app %s of environment %s: %w", req.App, req.Environment, errNoApp))
	}
	for _, n := range names {
		a, err := s.tell(ctx, n, c.tags)
		if err != nil {
			return reply, err
		}
		if req.App == "" || req.App == n.App {
			reply.Apps = append(reply.Apps, a)
		}
	}
	return preview.Fit(reply, preview.MostReply), nil
}

// compare answers how what two commits want differs.
func (c *controller) compare(
	ctx context.Context, env *v1alpha1.Environment, req preview.Request, reply preview.Reply, at func(head) ([]sourceHead, error), from, to head,
) (preview.Reply, error) {
	want := func(h head) (*supposition, map[app.Name][]object.Object, error) {
		heads, err := at(h)
		if err != nil {
			return nil, nil, err
		}
		s := c.suppose()
		if err := s.move(ctx, env, heads); err != nil {
			return nil, nil, err
		}
		out := map[app.Name][]object.Object{}
		for n, m := range s.apps {
			out[n] = c.inPlace(ctx, m.objects, Destination(env, n.App))
		}
		return s, out, nil
	}
	was, before, err := want(from)
	if err != nil {
		return reply, err
	}
	s, after, err := want(to)
	if err != nil {
		return reply, err
	}
	e := fleet.Environment{Namespace: req.Namespace, Name: req.Environment}
	names := s.sorted(e, req.App)
	if len(names) == 0 && req.App != "" {
		return reply, fault.New(fault.Invalid, fmt.Errorf("app %s of environment %s: %w", req.App, req.Environment, errNoApp))
	}
	for _, n := range names {
		if req.App != "" && req.App != n.App {
			continue
		}
		a := preview.Compare(n.App, before[n], after[n], c.tags)
		m := s.member(n)
		a.Removed = m.removed
		old := was.member(n)
		switch {
		case s.unread[n] != nil:
			a = preview.App{Name: n.App, Unknown: clipText(s.unread[n].Error(), 2000)}
		case m.broken != nil:
			a = preview.App{Name: n.App, Broken: clipText(m.broken.Error(), 2000)}
		case old.broken != nil: // all of it would be said to be new
			a = preview.App{Name: n.App, Unknown: clipText("at "+reply.From+" it could not be read: "+old.broken.Error(), 2000)}
		}
		reply.Apps = append(reply.Apps, a)
	}
	return preview.Fit(reply, preview.MostReply), nil
}

// inPlace gives objects the namespace that they would have.
func (c *controller) inPlace(ctx context.Context, objs []object.Object, namespace string) []object.Object {
	out := make([]object.Object, len(objs))
	for i, o := range objs {
		out[i] = o
		if r, err := c.cluster.Kinds.Find(ctx, o.GVK()); o.Namespace() == "" && (err != nil || r.Namespaced) {
			out[i] = o.With(namespace, "metadata", "namespace")
		}
	}
	return out
}
