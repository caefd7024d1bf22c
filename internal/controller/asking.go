package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/live"
	"github.com/fairlead-cd/fairlead/internal/lookout"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/restart"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Beyond answers what renders ask of neither tree nor cluster, by the rules of an Environment, and with its credentials. It caches; it is safe for concurrent use.
type Beyond interface {
	Ask(ctx context.Context, env *v1alpha1.Environment, q render.Question) (render.Answer, error)
}

// requestOf is a render of an app from a directory of a tree, and what it asks.
func (c *controller) requestOf(ctx context.Context, env *v1alpha1.Environment, n app.Name, tree source.Tree, dir string) (render.Request, *lookout.Asking) {
	a := c.lookout.For(ctx, identityOf(env), func(ctx context.Context, q render.Question) (render.Answer, error) {
		if q.About == render.AboutKey {
			key, err := c.hashKey.get(ctx)
			return render.Answer{ID: string(key), Key: key}, err
		}
		part := c.bases
		switch q.About {
		case render.AboutSeed:
			return c.seed(ctx, env, q)
		case render.AboutChart:
			part = c.charts
		default:
		}
		if part == nil {
			return render.Answer{}, fault.Newf(fault.Invalid, "%s: nothing is fetched from there", q)
		}
		return part.Ask(ctx, env, q)
	})
	return render.Request{Tree: tree, Dir: dir, Place: PlaceOf(env, n.App), Rules: RulesOf(env), Decryption: DecryptionOf(env), Outside: a}, a
}

// DecryptionOf is how what is encrypted in an Environment's apps is opened.
func DecryptionOf(env *v1alpha1.Environment) render.Decryption {
	var how render.Decryption
	if env.Spec.Render == nil || env.Spec.Render.Decryption == nil {
		return how
	}
	d := env.Spec.Render.Decryption
	if d.SecretRef != nil {
		how.Secret = d.SecretRef.Name
	}
	if s := d.SealedSecrets; s != nil {
		how.KeepSealed, how.SealedKeys = s.Mode == v1alpha1.SealedSecretsKeep, s.Namespace
	}
	return how
}

// PlaceOf is where the objects of an Environment's app go.
func PlaceOf(env *v1alpha1.Environment, name string) render.Place {
	return render.Place{App: name, Environment: env.Name, Home: env.Namespace, Namespace: Destination(env, name)}
}

// RulesOf is what an Environment says of rendering.
func RulesOf(env *v1alpha1.Environment) render.Rules {
	out := render.Rules{Restart: restart.Readable}
	r := env.Spec.Render
	if r == nil {
		return out
	}
	if r.Substitute != nil || len(r.SubstituteFrom) > 0 {
		s := &render.Substitute{Values: map[string]string{"FAIRLEAD_CLUSTER": cmp.Or(env.Spec.Destination.Cluster, "in-cluster")}}
		maps.Copy(s.Values, r.Substitute)
		for _, from := range r.SubstituteFrom {
			s.From = append(s.From, render.From(from))
		}
		out.Substitute = s
	}
	for _, k := range r.NeverApply {
		out.Never = append(out.Never, object.GroupKind(k))
	}
	switch r.RestartOnChange {
	case v1alpha1.RestartAll:
		out.Restart = restart.All
	case v1alpha1.RestartAnnotated:
		out.Restart = restart.Annotated
	case v1alpha1.RestartNone:
		out.Restart = restart.None
	}
	return out
}

// identityOf is who the apps of an Environment are applied by.
func identityOf(env *v1alpha1.Environment) app.Identity {
	return app.Identity{Namespace: env.Namespace, ServiceAccount: cmp.Or(env.Spec.Destination.ServiceAccount, "default")}
}

// restless is how an app is rendered again because of something outside that does not come to rest, such as an object that follows from what it renders to.
type restless struct {
	at   time.Time // when it was rendered again last
	wait time.Duration
}

const (
	restAfter = 10 * time.Second // who was left alone for that long is at rest
	restFirst = time.Second
	restMost  = 5 * time.Minute
)

// next is how long to wait before the app is rendered again.
func (r restless) next(now time.Time) time.Duration { return max(0, r.at.Add(r.wait).Sub(now)) }

// again notes that the app is rendered again.
func (r restless) again(now time.Time) restless {
	if now.Sub(r.at) > 2*r.wait+restAfter {
		return restless{at: now}
	}
	return restless{at: now, wait: min(max(2*r.wait, restFirst), restMost)}
}

// reconsider reports whether an app has to be rendered again though Git is as it was, and why: something that it asked for has another answer.
func (c *controller) reconsider(m *member, asking *lookout.Asking) (cause string, again bool, err error) {
	owner := m.name.Owner()
	doubts, soon := c.lookout.Doubts(owner)
	if !doubts {
		if soon > 0 {
			c.appQueue.after(owner.Namespace, owner.Name, soon)
		}
		return "", false, nil
	}
	m.mu.Lock()
	asked, wait, begun := m.questions, m.restless.next(c.now()), m.isUnderWay()
	m.unlock()
	if wait > 0 {
		c.appQueue.after(owner.Namespace, owner.Name, wait)
		return "", false, nil
	}
	changed, err := asked.Changed(asking)
	switch {
	case err != nil && fault.KindOf(err) == fault.Transient:
		return "", false, err
	case err != nil: // the render says what is wrong, and where
		return "", true, nil
	case len(changed) == 0:
		c.lookout.Hold(owner, asking, asked.Questions())
		m.mu.Lock()
		m.delayed = nil
		m.unlock()
		return "", false, nil
	case begun && !slices.ContainsFunc(changed, func(x render.Change) bool { return !x.Came }):
		c.appQueue.after(owner.Namespace, owner.Name, cameAgain)
		return "", false, nil
	}
	m.mu.Lock()
	m.restless = m.restless.again(c.now())
	m.unlock()
	return causeOf(changed), true, nil
}

// cameAgain is how soon it is looked again whether a release has ended that goes on though a setting came: it has nothing to begin anew for, and its hooks are not to
// be run twice. That the setting is there is noted afterwards.
const cameAgain = time.Second

// isUnderWay reports whether a release is being applied, or tried. The lock is held.
func (m *member) isUnderWay() bool {
	r := m.status.Release
	if r == nil {
		return false
	}
	p := release.Phase(r.Phase)
	return p == release.Applying || p == release.Progressing || p == release.Verifying
}

// causeOf says what changed.
func causeOf(changed []render.Change) string {
	const most = 3
	var names []string
	for i, q := range changed {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(changed)-most))
			break
		}
		names = append(names, q.String())
	}
	return clipText(strings.Join(names, ", "), 300) + " changed"
}

// unheard notes why an app could not be rendered though nothing is wrong with it: it is tried again, and kept true meanwhile.
func (c *controller) unheard(ctx context.Context, m *member, err error) {
	m.mu.Lock()
	before := m.delayed
	m.delayed = fault.New(fault.Transient, fmt.Errorf("waiting to be rendered: %w", err))
	m.unlock()
	if before == nil || before.Error() != m.delayed.Error() {
		c.log.WarnContext(ctx, "app cannot be rendered yet", "app", m.name.String(), "error", err)
	}
}

// looksOut makes the lookout of a controller.
func (c *controller) looksOut() *lookout.Lookout {
	return lookout.New(lookout.Options{
		Connect: func(id app.Identity) (lookout.Session, error) { return c.cluster.As(id) },
		Kinds:   c.cluster.Kinds, Watches: sights{c.store}, Now: c.now,
		Changed: func(o app.Owner) { c.appQueue.add(o.Namespace, o.Name) },
	})
}

// sights are the watches of the live store that are there because renders asked.
type sights struct{ store *live.Store }

func kindOf(v lookout.View) live.Kind {
	return live.Kind{Identity: v.By, Resource: v.Resource, All: true, Within: v.Namespace, Name: v.Name}
}

func viewOf(k live.Kind) (lookout.View, bool) {
	return lookout.View{By: k.Identity, Resource: k.Resource, Namespace: k.Within, Name: k.Name}, k.All
}

// Begin implements lookout.Watches.
func (s sights) Begin(v lookout.View) { s.store.Track(kindOf(v), v.Namespace) }

// End implements lookout.Watches. What was asked for first may be what the engine needs as well.
func (s sights) End(v lookout.View) {
	if v.Resource != autoscalers || v.Namespace+v.Name != "" {
		s.store.End(kindOf(v))
	}
}

// Versions implements lookout.Watches.
func (s sights) Versions(v lookout.View) (map[object.Key]string, bool) {
	st := s.store.Track(kindOf(v), v.Namespace)
	if !st.Synced || st.Err != nil {
		return nil, false
	}
	return s.store.Versions(kindOf(v)), true
}

// sightChanged tells the lookout how a watch stands that is there because renders asked.
func (c *controller) sightChanged(v lookout.View, err error) {
	if fault.KindOf(err) == fault.Denied && err != nil {
		if c.lookout.Blind(v) {
			c.log.Warn("what an app asks for may be read and not watched: it is read again now and then", "who", v.By.User(), "what", v.Resource.Plural, "error", err)
		}
		return
	}
	c.lookout.Seen(v)
}

var errNoEnvironment = errors.New("its Environment is gone")
