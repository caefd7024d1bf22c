package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// DeployVerb is what who asks for a commit needs the right to: deploy, of environments.fairlead.dev.
const DeployVerb = "deploy"

// Bounds of what is done for who asks for commits.
const (
	deploysAtOnce  = 50 // are told how they fare
	deploysPerHour = 600
	deploysAtFirst = 30
	mostDeploy     = 4 << 10
	// deployTime is how long one request is told: who wants to hear more asks again, with the same request.
	deployTime  = time.Hour
	deployTick  = 300 * time.Millisecond
	deployPulse = 10 * time.Second // a line is sent at least so often, so that nobody on the way takes the silence for the end
)

// Progress is how a commit fares that was asked for. The zero Phase says that it has not been taken up yet.
type Progress struct {
	Branch string          `json:"branch"`
	Phase  candidate.Phase `json:"phase,omitempty"`
	Why    string          `json:"why,omitempty"`
	Apps   []string        `json:"apps,omitempty"`
	// Fares are the apps that are tried, or rehearsed, and how they fare, by their names with those of their environments.
	Fares map[string]string `json:"fares,omitempty"`
}

// ProgressOf is how a commit fares that was asked for of an environment, as its status and those of the Apps of its namespace say.
func ProgressOf(env *v1alpha1.Environment, apps []v1alpha1.App, commit, request string) Progress {
	p := Progress{}
	if src, has := candidateSource(env); has {
		p.Branch = src.Ref.Branch
	}
	i := slices.IndexFunc(env.Status.Candidates, func(c v1alpha1.CandidateStatus) bool { return c.Commit == commit && c.Request == request })
	if i < 0 {
		return p
	}
	c := env.Status.Candidates[i]
	p.Phase, p.Why, p.Apps = candidate.Phase(c.Phase), c.Why, c.Apps
	at := ""
	switch p.Phase {
	case candidate.Trying:
		at = env.Name
	case candidate.Rehearsing:
		at = venueName(env, commit)
	case candidate.Waiting, candidate.Moving, candidate.Moved, candidate.Refused, candidate.Gone:
	}
	for j := range apps {
		a := &apps[j]
		if a.Namespace != env.Namespace || a.Spec.Environment != at || !slices.Contains(c.Apps, a.Spec.Name) || commitOf(a.Status.Wanted.Revision) != commit {
			continue
		}
		text := string(a.Status.Phase)
		if r := a.Status.Release; r != nil {
			text = r.Phase
		}
		if a.Status.Reason != "" {
			text += ": " + a.Status.Reason
		}
		if p.Fares == nil {
			p.Fares = map[string]string{}
		}
		p.Fares[at+"/"+a.Spec.Name] = text
	}
	return p
}

// deployer takes requests for commits to be tried.
type deployer struct {
	guard *guard
	// environment reads an Environment and the Apps of its namespace; nil if there is none. Ask has the request written to it, as it was read.
	environment func(context.Context, fleet.Environment) (*v1alpha1.Environment, []v1alpha1.App, error)
	ask         func(context.Context, *v1alpha1.Environment, Deploy) error
	now         func() time.Time
	refused     func(ctx context.Context, of fleet.Environment, why error)

	turns chan struct{}
	tries bucket
	rate  bucket
}

// deployer makes one of the controller.
func (c *controller) deployer(g *guard) *deployer {
	return &deployer{
		guard: g, now: c.now, turns: make(chan struct{}, deploysAtOnce),
		environment: func(ctx context.Context, e fleet.Environment) (*v1alpha1.Environment, []v1alpha1.App, error) {
			env := &v1alpha1.Environment{}
			if err := c.client.Get(ctx, client.ObjectKey{Namespace: e.Namespace, Name: e.Name}, env); err != nil {
				return nil, nil, client.IgnoreNotFound(err)
			}
			var apps v1alpha1.AppList
			err := c.client.List(ctx, &apps, client.InNamespace(e.Namespace), client.UnsafeDisableDeepCopy)
			return env, apps.Items, err
		},
		ask: func(ctx context.Context, env *v1alpha1.Environment, d Deploy) error {
			text, err := json.Marshal(d)
			if err != nil {
				return err
			}
			base := env.DeepCopy()
			if env.Annotations == nil {
				env.Annotations = map[string]string{}
			}
			env.Annotations[AnnotationDeploy] = string(text)
			return c.client.Patch(ctx, env, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
		},
		refused: func(ctx context.Context, of fleet.Environment, why error) {
			c.log.WarnContext(ctx, "deploy refused", "environment", of.Namespace+"/"+of.Name, "error", why)
		},
	}
}

// deployRequest is the body of a request. The same Request is carried out once, however often it is asked for.
type deployRequest struct {
	Request string `json:"request"`
	Commit  string `json:"commit"`
	// Wait has the answer tell how the commit fares, until that has ended.
	Wait bool `json:"wait"`
}

func (r deployRequest) check() error {
	switch {
	case r.Request == "" || len(r.Request) > 100:
		return fault.Newf(fault.Invalid, "request: want a text of up to 100 bytes that is another one each time")
	case !fullCommit.MatchString(r.Commit):
		return fault.Newf(fault.Invalid, "commit: want the full id of a commit")
	}
	return nil
}

// ServeHTTP answers POST /api/v1/deploy/{namespace}/{environment} with how a commit fares, one JSON object for each line. Who asks is known before the body is
// read as anything but bytes.
func (d *deployer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	of := fleet.Environment{Namespace: r.PathValue("namespace"), Name: r.PathValue("environment")}
	if !d.tries.take(d.now(), triesAtFirst, triesPerHour) {
		tooMany(w)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostDeploy))
	if err != nil {
		http.Error(w, "the body is too large or was cut off", http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), deployTime)
	defer cancel()
	user, err := d.admit(ctx, r.Header, of)
	if err != nil {
		d.refused(ctx, of, err)
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	var req deployRequest
	if err = json.Unmarshal(body, &req); err != nil {
		err = fault.Newf(fault.Invalid, "the body is not the JSON of a request")
	} else {
		err = req.check()
	}
	if err == nil && !d.rate.take(d.now(), deploysAtFirst, deploysPerHour) {
		tooMany(w)
		return
	}
	select {
	case d.turns <- struct{}{}:
		defer func() { <-d.turns }()
	default:
		http.Error(w, "too many others are being told how their commits fare: try again later", http.StatusServiceUnavailable)
		return
	}
	if err == nil {
		err = d.begin(ctx, of, Deploy{Request: req.Request, Commit: req.Commit, By: clipText(user.Username, 200)})
	}
	if err != nil {
		http.Error(w, clipText(err.Error(), 4000), statusOf(err))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	d.tell(ctx, w, of, req)
}

// admit says who asks, if he may.
func (d *deployer) admit(ctx context.Context, h http.Header, of fleet.Environment) (*authenticationv1.UserInfo, error) {
	refusal := fault.Newf(fault.Denied, "not accepted: send the token of a ServiceAccount or user that may %s environments.fairlead.dev %s in namespace %s", DeployVerb, of.Name, of.Namespace)
	token := tokenIn(h)
	if token == "" {
		return nil, refusal
	}
	user, err := d.guard.who(ctx, token)
	if err != nil {
		return nil, err
	}
	if user == nil {
		return nil, refusal
	}
	ok, err := d.guard.mayDo(ctx, user, right{verb: DeployVerb, resource: "environments", namespace: of.Namespace, name: of.Name})
	if err == nil && !ok {
		err = refusal
	}
	return user, err
}

// begin has a commit asked for, unless that was done. What somebody else asked for before is taken up first: there is room for one request.
func (d *deployer) begin(ctx context.Context, of fleet.Environment, x Deploy) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		env, _, err := d.environment(ctx, of)
		if err != nil {
			return err
		}
		if env == nil {
			return fault.Newf(fault.Invalid, "there is no environment %s in namespace %s", of.Name, of.Namespace)
		}
		if _, has := candidateSource(env); !has {
			return fault.Newf(fault.Invalid, "environment %s has no candidates: no source of it says what may move its branch, and with which credentials (spec.sources.candidate)", of.Name)
		}
		before := deployOf(env)
		taken := slices.ContainsFunc(env.Status.Candidates, func(c v1alpha1.CandidateStatus) bool { return c.Request == x.Request })
		if taken || env.Status.LastHandledDeploy == x.Request || before != nil && before.Request == x.Request {
			return nil
		}
		if before == nil || before.Request == env.Status.LastHandledDeploy {
			if err = d.ask(ctx, env, x); err == nil {
				return nil
			}
			if kind := fault.KindOf(err); kind == fault.Denied || kind == fault.Invalid {
				return err
			}
		}
		select { // somebody was faster: look anew
		case <-ctx.Done():
			return fault.Newf(fault.Transient, "what was asked for before, or the Environment itself, could not be written: %v", cmp.Or(err, ctx.Err()))
		case <-time.After(deployTick):
		}
	}
}

// tell sends how a commit fares whenever that has changed, until it has ended, or nobody listens.
func (d *deployer) tell(ctx context.Context, w http.ResponseWriter, of fleet.Environment, req deployRequest) {
	out := http.NewResponseController(w)
	last, at := "", time.Time{}
	for {
		env, apps, err := d.environment(ctx, of)
		if err != nil || env == nil {
			return // the answer breaks off: who asks sees that it has not ended
		}
		p := ProgressOf(env, apps, req.Commit, req.Request)
		text, err := json.Marshal(p)
		if err != nil {
			return
		}
		if now := d.now(); string(text) != last || now.Sub(at) >= deployPulse {
			last, at = string(text), now
			if _, err := io.WriteString(w, last+"\n"); err != nil || out.Flush() != nil {
				return
			}
		}
		if p.Phase.Ended() || !req.Wait {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(deployTick):
		}
	}
}

// tokenIn is the token that a request shows; empty if it shows none.
func tokenIn(h http.Header) string {
	token := strings.TrimSpace(h.Get(preview.TokenHeader))
	if token == "" {
		token, _ = strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	}
	if len(token) > 16<<10 {
		return ""
	}
	return token
}
