package controller

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	authn "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authz "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/history/keeper"
	"github.com/fairlead-cd/fairlead/internal/webhook"
)

// maxHook bounds the body of a webhook: forges send less than this.
const maxHook = 5 << 20

// handler serves /healthz and /readyz to everybody, /webhook/{namespace}/{repository} to who signs, /api/v1/plan/{namespace}/{environment} to who signs or
// may, /api/v1/deploy/{namespace}/{environment} and /api/v1/history to who may, /metrics to who may read it, and, if asked to, /debug/pprof/ to this machine.
func (c *controller) handler(mgr manager.Manager, g *guard, profiling bool, kept *keeper.Keeper) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	var read atomic.Bool // what has been read stays so: no later request has to wait for anything
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyAtMost)
		defer cancel()
		if !read.Load() && !mgr.GetCache().WaitForCacheSync(ctx) {
			http.Error(w, "the API server has not been read yet", http.StatusServiceUnavailable)
			return
		}
		read.Store(true)
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.Handle("GET /metrics", g.protect(promhttp.HandlerFor(ctrlmetrics.Registry, promhttp.HandlerOpts{})))
	mux.HandleFunc("POST /webhook/{namespace}/{repository}", c.hook)
	mux.Handle("POST /api/v1/plan/{namespace}/{environment}", c.planner(g))
	mux.Handle("POST /api/v1/deploy/{namespace}/{environment}", c.deployer(g))
	if kept != nil {
		archive := c.archive(g, kept.Store, kept.Trouble)
		mux.Handle("GET /api/v1/history", archive)
		mux.Handle("GET /api/v1/history/{namespace}", archive)
	}
	if profiling {
		mux.Handle("GET /debug/pprof/", local(http.HandlerFunc(pprof.Index)))
		mux.Handle("GET /debug/pprof/profile", local(http.HandlerFunc(pprof.Profile)))
		mux.Handle("GET /debug/pprof/trace", local(http.HandlerFunc(pprof.Trace)))
	}
	return mux
}

// readyAtMost is how long it is waited for what has not been read yet. Not at all would be too short: the cache may then say no though all has been.
const readyAtMost = 50 * time.Millisecond

// hook takes a push webhook: it verifies it with the Repository's own secret, and asks the repository at once. What is said about
// whether a Repository exists or has a secret is the same as about a wrong signature.
func (c *controller) hook(w http.ResponseWriter, r *http.Request) {
	name := types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("repository")}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	if err != nil {
		http.Error(w, "the body is too large or was cut off", http.StatusRequestEntityTooLarge)
		return
	}
	push, err := webhook.Parse(r.Header, body, c.hookSecret(r.Context(), name))
	if err != nil {
		c.log.WarnContext(r.Context(), "webhook refused", "repository", name.String(), "error", err)
		http.Error(w, "not accepted: the signature does not match the webhookToken in the Repository's Secret", http.StatusForbidden)
		return
	}
	c.log.InfoContext(r.Context(), "webhook", "repository", name.String(), "sender", push.Provider, "refs", push.Refs)
	c.mu.Lock()
	if repo := c.repos[name]; repo != nil {
		repo.hooked = true
	}
	c.mu.Unlock()
	c.share.Tell(keyOfRepository(name), "asked "+c.now().UTC().Format(time.RFC3339Nano)) // it may have been sent to any of the replicas
	c.repoQueue.add(name.Namespace, name.Name)
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, "accepted\n")
}

// hookSecret is the shared secret of a Repository's webhooks; empty, which nothing verifies against, if there is none.
func (c *controller) hookSecret(ctx context.Context, name types.NamespacedName) []byte {
	var repo v1alpha1.Repository
	if err := c.client.Get(ctx, name, &repo); err != nil {
		return nil
	}
	s, err := c.secretOf(ctx, &repo)
	if err != nil || s == nil {
		return nil
	}
	return []byte(strings.TrimSpace(string(s.Data["webhookToken"])))
}

// guard lets a request through that comes from this machine, or whose bearer token the API server knows and allows to get the path.
type guard struct {
	tokens   authn.TokenReviewInterface
	accesses authz.SubjectAccessReviewInterface
}

func newGuard(config *rest.Config) (*guard, error) {
	n, err := authn.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	z, err := authz.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &guard{tokens: n.TokenReviews(), accesses: z.SubjectAccessReviews()}, nil
}

func (g *guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isLocal(r) || g.allows(r) {
			next.ServeHTTP(w, r)
			return
		}
		http.Error(w, "send a bearer token of a ServiceAccount that may get "+r.URL.Path+" (a ClusterRole with nonResourceURLs)", http.StatusForbidden)
	})
}

// local lets a request through that comes from this machine.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isLocal(r) {
			next.ServeHTTP(w, r)
			return
		}
		http.Error(w, "only for requests from the same machine or Pod", http.StatusForbidden)
	})
}

func isLocal(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && net.ParseIP(host).IsLoopback()
}

func (g *guard) allows(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	review, err := g.tokens.Create(r.Context(), &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil || !review.Status.Authenticated {
		return false
	}
	user := review.Status.User
	access, err := g.accesses.Create(r.Context(), &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, Groups: user.Groups, UID: user.UID,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: r.URL.Path, Verb: "get"},
	}}, metav1.CreateOptions{})
	return err == nil && access.Status.Allowed
}
