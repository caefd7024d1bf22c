package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// planKey is the field of a Repository's Secret that signs requests for plans.
const planKey = "planToken"

// Bounds of what is done for who asks for plans.
const (
	planTime     = 2 * time.Minute
	plansAtOnce  = 2
	plansPerHour = 600 // of those who may
	plansAtFirst = 30
	triesPerHour = 36_000 // of all: who may not cannot use up the plans of those who may
	triesAtFirst = 100
)

// planner answers requests for plans.
type planner struct {
	guard *guard
	// answer is asked once it is known that who asks may.
	answer func(context.Context, preview.Request) (preview.Reply, error)
	// secret returns the planToken of a Repository, environment an Environment; nothing if there is none.
	secret      func(context.Context, types.NamespacedName) []byte
	environment func(fleet.Environment) *v1alpha1.Environment
	now         func() time.Time
	refused     func(ctx context.Context, of fleet.Environment, why error)

	turns chan struct{}
	tries bucket
	rate  bucket
}

// planner makes one of the controller.
func (c *controller) planner(g *guard) *planner {
	return &planner{
		guard: g, answer: c.preview, secret: c.planSecret, now: c.now, turns: make(chan struct{}, plansAtOnce),
		environment: func(e fleet.Environment) *v1alpha1.Environment { env, _, _ := c.settings(e); return env },
		refused: func(ctx context.Context, of fleet.Environment, why error) {
			c.log.WarnContext(ctx, "plan refused", "environment", of.Namespace+"/"+of.Name, "error", why)
		},
	}
}

// planSecret is the key that signs requests about a Repository; empty, which nothing verifies against, if there is none.
func (c *controller) planSecret(ctx context.Context, name types.NamespacedName) []byte {
	var repo v1alpha1.Repository
	if err := c.client.Get(ctx, name, &repo); err != nil {
		return nil
	}
	s, err := c.secretOf(ctx, &repo)
	if err != nil || s == nil {
		return nil
	}
	return []byte(strings.TrimSpace(string(s.Data[planKey])))
}

// ServeHTTP answers POST /api/v1/plan/{namespace}/{environment}. Who asks is known before the body is read as anything but bytes.
func (p *planner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	of := fleet.Environment{Namespace: r.PathValue("namespace"), Name: r.PathValue("environment")}
	if !p.tries.take(p.now(), triesAtFirst, triesPerHour) {
		tooMany(w)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, preview.MostRequest))
	if err != nil {
		http.Error(w, "the body is too large or was cut off", http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), planTime)
	defer cancel()
	allowed, err := p.admit(ctx, r.Header, body, of)
	if err != nil {
		p.refused(ctx, of, err)
		status := http.StatusForbidden
		if fault.KindOf(err) == fault.Transient {
			status = http.StatusServiceUnavailable
		}
		http.Error(w, err.Error(), status)
		return
	}
	req, err := preview.ParseRequest(body)
	if err == nil && (req.Namespace != of.Namespace || req.Environment != of.Name) {
		err = fault.Newf(fault.Invalid, "the body is about another environment than the path")
	}
	if err == nil {
		err = allowed.fits(&req)
	}
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	if !p.rate.take(p.now(), plansAtFirst, plansPerHour) {
		tooMany(w)
		return
	}
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		http.Error(w, "other plans are being made: try again", http.StatusServiceUnavailable)
		return
	}
	reply, err := p.answer(ctx, req)
	if err != nil {
		http.Error(w, clipText(err.Error(), 4000), statusOf(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(preview.Fit(reply, preview.MostReply))
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "10")
	http.Error(w, "too many requests: try again later", http.StatusTooManyRequests)
}

func statusOf(err error) int {
	switch fault.KindOf(err) {
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Denied:
		return http.StatusForbidden
	case fault.Conflict:
		return http.StatusConflict
	case fault.Transient:
		return http.StatusServiceUnavailable
	case fault.Internal:
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// scope is what somebody may ask about.
type scope struct {
	repositories []string // those whose commits may be asked for; nil: all of the environment
}

// fits holds a request to the scope: who signs for one Repository sees nothing of another one's.
func (s scope) fits(r *preview.Request) error {
	if s.repositories == nil || r.To == "" {
		return nil
	}
	if r.Repository == "" && len(s.repositories) == 1 {
		r.Repository = s.repositories[0]
	}
	for _, name := range s.repositories {
		if r.Repository == name {
			return nil
		}
	}
	return fault.Newf(fault.Denied, "the signature is not of the Repository that the commit is in")
}

var errNotAllowed = fault.New(fault.Denied, errors.New("not accepted: send a signature with the planToken of the environment's Repository, or the token of a ServiceAccount or user "+
	"that may get apps.fairlead.dev in the namespace"))

// admit says what somebody may ask about who sends these headers. That an environment does not exist is answered as that he may not.
func (p *planner) admit(ctx context.Context, h http.Header, body []byte, of fleet.Environment) (scope, error) {
	env := p.environment(of)
	if signature := h.Get(preview.Header); signature != "" {
		return p.signed(ctx, env, signature, body)
	}
	token := tokenIn(h)
	if token == "" {
		return scope{}, errNotAllowed
	}
	user, err := p.guard.who(ctx, token)
	if err != nil {
		return scope{}, err
	}
	if user == nil {
		return scope{}, errNotAllowed
	}
	if env != nil {
		own := app.Identity{Namespace: env.Namespace, ServiceAccount: cmp.Or(env.Spec.Destination.ServiceAccount, "default")}
		if user.Username == own.User() {
			return scope{}, nil
		}
	}
	ok, err := p.guard.mayGetApps(ctx, user, of.Namespace)
	if err == nil && !ok {
		err = errNotAllowed
	}
	return scope{}, err
}

// signed finds the Repositories of an environment whose key signed a body.
func (p *planner) signed(ctx context.Context, env *v1alpha1.Environment, signature string, body []byte) (scope, error) {
	var s scope
	why := preview.Verify(nil, body, signature, p.now()) // the same work and the same words if there is no such environment
	if env == nil {
		return s, why
	}
	seen := map[string]bool{}
	for _, source := range env.Spec.Sources {
		if seen[source.Repository] {
			continue
		}
		seen[source.Repository] = true
		err := preview.Verify(p.secret(ctx, types.NamespacedName{Namespace: env.Namespace, Name: source.Repository}), body, signature, p.now())
		if err == nil {
			s.repositories = append(s.repositories, source.Repository)
		} else if errors.Is(err, preview.ErrTime) {
			why = err
		}
	}
	if len(s.repositories) == 0 {
		return s, why
	}
	return s, nil
}

// who asks the API server whose token it is; nil if nobody's. A token for Fairlead alone is as good as one for the API server.
func (g *guard) who(ctx context.Context, token string) (*authenticationv1.UserInfo, error) {
	for _, audiences := range [][]string{{preview.Audience}, nil} {
		review, err := g.tokens.Create(ctx, &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences},
		}, metav1.CreateOptions{})
		if err != nil {
			return nil, fault.New(fault.Transient, errors.New("the API server could not be asked whose token it is"))
		}
		if review.Status.Authenticated {
			return &review.Status.User, nil
		}
	}
	return nil, nil
}

func (g *guard) mayGetApps(ctx context.Context, user *authenticationv1.UserInfo, namespace string) (bool, error) {
	return g.mayDo(ctx, user, right{verb: "get", resource: "apps", namespace: namespace})
}

// right is a right to something of Fairlead's; without a name, to all of that kind.
type right struct{ verb, resource, namespace, name string }

// mayDo asks the API server what somebody may.
func (g *guard) mayDo(ctx context.Context, user *authenticationv1.UserInfo, to right) (bool, error) {
	extra := map[string]authorizationv1.ExtraValue{}
	for k, v := range user.Extra {
		extra[k] = authorizationv1.ExtraValue(v)
	}
	access, err := g.accesses.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, Groups: user.Groups, UID: user.UID, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: to.namespace, Verb: to.verb, Group: v1alpha1.GroupVersion.Group, Resource: to.resource, Name: to.name,
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, fault.New(fault.Transient, errors.New("the API server could not be asked what the user may"))
	}
	return access.Status.Allowed, nil
}

// bucket bounds how often something is done: at first a few times at once, and then as often as it fills. The zero bucket is full.
type bucket struct {
	mu   sync.Mutex
	used float64
	at   time.Time
}

func (b *bucket) take(now time.Time, atFirst, perHour float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.at.IsZero() {
		b.used = max(0, b.used-now.Sub(b.at).Hours()*perHour)
	}
	b.at = now
	if b.used+1 > atFirst {
		return false
	}
	b.used++
	return true
}
