package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/cluster"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/helmrelease"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Of an app that is one chart there is the record that Helm would have of it: see package helmrelease and decision 24. It is written when a release has ended, as the
// environment's ServiceAccount, and nothing waits for it.

// secrets are what Helm keeps its records in.
var secrets = object.Resource{GVK: object.GVK{Version: "v1", Kind: "Secret"}, Plural: "secrets", Namespaced: true}

// What could not be recorded is tried again, later each time.
const (
	recordFirst = 2 * time.Second
	recordMost  = 10 * time.Minute
)

// recording is what could not be recorded yet, and when that is tried again.
type recording struct {
	of    string
	told  string // as an Event
	wait  time.Duration
	again time.Time
}

// recordHelm records how the release of an app ended that is one chart, unless that is recorded, and returns what there is to say of it. After a while it is to be
// tried again; 0: it need not be.
func (c *controller) recordHelm(ctx context.Context, m *member, env *v1alpha1.Environment, obj *v1alpha1.App, s engine.Subject, out engine.Outcome) (*v1alpha1.HelmStatus, time.Duration) {
	was := m.stands().Helm
	m.mu.Lock()
	packed, rendered, broken, removed, rec := m.chart, m.rendered, m.broken != nil, m.removed, m.helm
	m.unlock()
	tail, ended := helmrelease.After(out.Releases)
	if !ended || removed || s.Policy.Suspended || m.rehearses.Load() {
		return was, 0
	}
	switch {
	case broken: // what Git wants is not known; what was recorded of a release can be gone back to all the same
		if was == nil || was.Release == "" {
			return was, 0
		}
	case !rendered || out.Git == "" || packed.IsZero() && was == nil:
		return was, 0
	}
	if was != nil && was.Recorded == tail.ID() && was.Message == "" {
		return was, 0
	}
	if now := c.now(); rec.of == tail.ID() && now.Before(rec.again) {
		return was, rec.again.Sub(now)
	}
	var is *v1alpha1.HelmStatus
	var err error
	if broken {
		is, err = c.helmTold(ctx, m, env, obj, helmrelease.Input{Name: was.Release, Namespace: was.Namespace, Tail: tail})
	} else {
		is, err = c.helmRendered(ctx, m, env, obj, s, out, tail, packed)
	}
	if err == nil {
		m.setRecording(recording{})
		return is, 0
	}
	rec.wait = min(max(2*rec.wait, recordFirst), recordMost)
	if rec.of != tail.ID() || fault.KindOf(err) == fault.Conflict {
		rec.wait = recordFirst
	}
	rec.of, rec.again = tail.ID(), c.now().Add(rec.wait)
	next := v1alpha1.HelmStatus{}
	if was != nil {
		next = *was
	}
	next.Message = clipText(err.Error(), 400)
	if obj.UID != "" && rec.told != next.Message {
		rec.told = next.Message
		c.warn(obj, "HelmUnrecorded", "Record", next.Message)
	}
	m.setRecording(rec)
	c.log.WarnContext(ctx, "not recorded as Helm does it", "app", m.name.String(), "error", err)
	return &next, rec.wait
}

func (m *member) setRecording(r recording) {
	m.mu.Lock()
	defer m.unlock()
	m.helm = r
}

// helmRendered makes the stored records tell how the release of an app ended, when it is known what Git wants.
func (c *controller) helmRendered(
	ctx context.Context, m *member, env *v1alpha1.Environment, obj *v1alpha1.App, s engine.Subject, out engine.Outcome, tail helmrelease.Tail, packed helmrelease.Packed,
) (*v1alpha1.HelmStatus, error) {
	was := m.stands().Helm
	if packed.IsZero() { // it was a chart, and is none any more
		return &v1alpha1.HelmStatus{}, c.dropHelm(ctx, m, was)
	}
	chart, err := packed.Chart()
	if err != nil {
		return nil, err
	}
	is, err := c.helmTold(ctx, m, env, obj, helmrelease.Input{
		Name: chart.Name, Namespace: chart.Namespace, Tail: tail, Contents: map[string]helmrelease.Content{out.Git: {Chart: chart, Objects: s.Objects()}},
	})
	if err == nil && was != nil && was.Release != "" && (was.Release != chart.Name || was.Namespace != chart.Namespace) {
		err = c.dropHelm(ctx, m, was)
	}
	return is, err
}

// helmTold makes the stored records tell it. Without contents Git is broken: then only what is recorded already can be told of.
func (c *controller) helmTold(ctx context.Context, m *member, env *v1alpha1.Environment, obj *v1alpha1.App, in helmrelease.Input) (*v1alpha1.HelmStatus, error) {
	session, err := c.cluster.As(identityOf(env))
	if err != nil {
		return nil, err
	}
	in.App, in.Now = m.name.Owner(), c.now()
	if in.Stored, err = recordsOf(ctx, session, in.Namespace, in.Name); err != nil {
		return nil, fmt.Errorf("helm does not know what became of release %s/%s: %w", in.Namespace, in.Name, err)
	}
	for _, r := range in.Stored {
		if r.App != (app.Owner{}) && r.App != m.name.Owner() && c.known(r.App) != nil {
			return nil, fault.Newf(fault.Invalid, "release %s/%s is that of app %s for Helm: set helm.releaseName in fairlead.yaml, so that each has its own", r.Namespace, r.Name, r.App)
		}
	}
	for _, want := range in.Tail.Wants() { // of what is neither in Git any more nor recorded, the objects are kept
		if _, known := in.Contents[want]; known || helmrelease.Has(in.Stored, want) {
			continue
		}
		if in.Contents == nil {
			return nil, fault.Newf(fault.Invalid, "helm is told what became of release %s/%s when the app can be rendered again", in.Namespace, in.Name)
		}
		if objs, err := c.ledger.Bundle(ctx, m.name, want); err == nil && len(objs) > 0 {
			in.Contents[want] = helmrelease.Content{Objects: objs}
		} else if fault.KindOf(err) == fault.Transient && err != nil {
			return nil, err
		}
	}
	changes := helmrelease.Next(in)
	for _, ch := range changes {
		if err := write(ctx, session, ch); err != nil {
			return nil, fmt.Errorf("helm does not know what became of release %s/%s: %w", in.Namespace, in.Name, err)
		}
	}
	for _, r := range helmrelease.Pending(in.Stored) {
		if obj.UID != "" && len(changes) > 0 {
			c.note(obj, "HelmTakenOver", "Record", fmt.Sprintf("revision %d of Helm release %s/%s was %s, and nobody ended that: it is recorded as failed", r.Revision, r.Namespace, r.Name, r.Status))
		}
	}
	return &v1alpha1.HelmStatus{
		Release: in.Name, Namespace: in.Namespace, Revision: int32(min(helmrelease.Revision(in.Stored, changes), 1<<30)), Recorded: in.Tail.ID(),
	}, nil
}

// recordsOf reads the records of a release.
func recordsOf(ctx context.Context, s *cluster.Session, namespace, name string) ([]helmrelease.Record, error) {
	found, err := s.Labelled(ctx, secrets, namespace, map[string]string{"owner": "helm", "name": name})
	if err != nil {
		return nil, err
	}
	var out []helmrelease.Record
	for _, o := range found {
		if o.Text("type") != helmrelease.SecretType {
			continue
		}
		r, err := helmrelease.Read(o)
		if err != nil {
			return nil, fmt.Errorf("%w; if it is of no use, delete it", err)
		}
		out = append(out, r)
	}
	return out, nil
}

func write(ctx context.Context, s *cluster.Session, ch helmrelease.Change) error {
	switch o := ch.Record.Secret(); ch.Do {
	case helmrelease.Create:
		return s.Make(ctx, secrets, o)
	case helmrelease.Update:
		return s.Rewrite(ctx, secrets, o)
	case helmrelease.Delete:
		return s.Delete(ctx, secrets, o)
	}
	return nil
}

// dropHelm removes what is recorded of a release, as helm uninstall does. What may not be removed stays: no deletion waits for that.
func (c *controller) dropHelm(ctx context.Context, m *member, of *v1alpha1.HelmStatus) error {
	m.mu.Lock()
	env := m.env
	m.unlock()
	if of == nil || of.Release == "" || env == nil {
		return nil
	}
	session, err := c.cluster.As(identityOf(env))
	if err != nil {
		return err
	}
	stored, err := recordsOf(ctx, session, of.Namespace, of.Release)
	for _, r := range stored {
		if r.App == (app.Owner{}) || r.App == m.name.Owner() {
			if err = write(ctx, session, helmrelease.Change{Do: helmrelease.Delete, Record: r}); err != nil {
				break
			}
		}
	}
	if kind := fault.KindOf(err); err != nil && (kind == fault.Denied || kind == fault.Invalid) {
		c.log.WarnContext(ctx, "what Helm knows of a release stays", "app", m.name.String(), "release", of.Release, "error", err)
		return nil
	}
	return err
}
