package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	authn "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authz "k8s.io/client-go/kubernetes/typed/authorization/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// reviews is an API server that knows a few tokens: each is its user's name.
type reviews struct {
	authn.TokenReviewInterface
	authz.SubjectAccessReviewInterface
	down bool
}

type tokens struct{ reviews }

func (x tokens) Create(_ context.Context, r *authenticationv1.TokenReview, _ metav1.CreateOptions) (*authenticationv1.TokenReview, error) {
	if x.down {
		return nil, errors.New("down")
	}
	user, ours := strings.CutPrefix(r.Spec.Token, "ours:")
	if ours == (len(r.Spec.Audiences) == 1 && r.Spec.Audiences[0] == preview.Audience) && !strings.Contains(r.Spec.Token, "unknown") {
		r.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: user}}
	}
	return r, nil
}

type accesses struct{ reviews }

func (x accesses) Create(_ context.Context, r *authorizationv1.SubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SubjectAccessReview, error) {
	a := r.Spec.ResourceAttributes
	reads := a != nil && a.Verb == "get" && a.Resource == "apps" && r.Spec.User == strings.TrimSpace("reader of "+a.Namespace)
	deploys := a != nil && a.Verb == "deploy" && a.Resource == "environments" && a.Namespace == "team" && r.Spec.User == "deployer of "+a.Name
	r.Status.Allowed = (reads || deploys) && a.Group == "fairlead.dev"
	return r, nil
}

const (
	shopKey = "the planToken of shop, which is long"
	restKey = "the planToken of rest, which is long"
)

var noon = time.Unix(1_800_000_000, 0)

func testPlanner(down bool) (*planner, *[]preview.Request) {
	asked := &[]preview.Request{}
	environment := func(repositories ...string) *v1alpha1.Environment {
		env := &v1alpha1.Environment{}
		env.Namespace = "team"
		env.Spec.Destination.ServiceAccount = "deployer"
		for _, r := range repositories {
			env.Spec.Sources = append(env.Spec.Sources, v1alpha1.Source{Repository: r})
		}
		return env
	}
	envs := map[fleet.Environment]*v1alpha1.Environment{
		{Namespace: "team", Name: "prod"}: environment("shop"), {Namespace: "team", Name: "rest"}: environment("rest"),
		{Namespace: "team", Name: "both"}: environment("shop", "rest"), {Namespace: "team", Name: "keyless"}: environment("keyless"),
	}
	return &planner{
		guard: &guard{tokens: tokens{reviews{down: down}}, accesses: accesses{}},
		answer: func(_ context.Context, r preview.Request) (preview.Reply, error) {
			*asked = append(*asked, r)
			return preview.Reply{Namespace: r.Namespace, Environment: r.Environment}, nil
		},
		secret: func(_ context.Context, n types.NamespacedName) []byte {
			return map[string][]byte{"team/shop": []byte(shopKey), "team/rest": []byte(restKey), "team/keyless": []byte("")}[n.String()]
		},
		environment: func(e fleet.Environment) *v1alpha1.Environment { return envs[e] },
		now:         func() time.Time { return noon },
		refused:     func(context.Context, fleet.Environment, error) {},
		turns:       make(chan struct{}, 1),
	}, asked
}

func send(p *planner, path, body string, headers ...string) (int, string) {
	mux := http.NewServeMux()
	mux.Handle("POST /api/v1/plan/{namespace}/{environment}", p)
	r := httptest.NewRequest(http.MethodPost, "/api/v1/plan/"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	text, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(text)
}

// TestPlanAccess holds who may ask for a plan, and that nobody else learns anything.
func TestPlanAccess(t *testing.T) {
	body := func(env, more string) string {
		return fmt.Sprintf(`{"namespace": "team", "environment": %q%s}`, env, more)
	}
	prod := body("prod", "")
	sign := func(key, body string, at time.Time) []string {
		return []string{preview.Header, preview.Sign([]byte(key), []byte(body), at)}
	}
	to := func(env, repository string) string {
		return body(env, `, "to": "main", "repository": "`+repository+`"`)
	}
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		code       int
		down       bool
	}{
		"signed":                        {"team/prod", prod, sign(shopKey, prod, noon), 200, false},
		"signed a while ago":            {"team/prod", prod, sign(shopKey, prod, noon.Add(-4*time.Minute)), 200, false},
		"by a clock that is fast":       {"team/prod", prod, sign(shopKey, prod, noon.Add(4*time.Minute)), 200, false},
		"unsigned":                      {"team/prod", prod, nil, 403, false},
		"with another key":              {"team/prod", prod, sign(restKey, prod, noon), 403, false},
		"another body":                  {"team/prod", prod, sign(shopKey, prod+" ", noon), 403, false},
		"stale":                         {"team/prod", prod, sign(shopKey, prod, noon.Add(-6*time.Minute)), 403, false},
		"of the future":                 {"team/prod", prod, sign(shopKey, prod, noon.Add(6*time.Minute)), 403, false},
		"not a signature":               {"team/prod", prod, []string{preview.Header, "t=1,v1=zz"}, 403, false},
		"no key at all":                 {"team/keyless", body("keyless", ""), sign("", body("keyless", ""), noon), 403, false},
		"no such environment":           {"team/none", body("none", ""), sign(shopKey, body("none", ""), noon), 403, false},
		"wrong namespace":               {"other/prod", `{"namespace": "other", "environment": "prod"}`, sign(shopKey, `{"namespace": "other", "environment": "prod"}`, noon), 403, false},
		"someone else's environment":    {"team/rest", body("rest", ""), sign(shopKey, body("rest", ""), noon), 403, false},
		"the path of another":           {"team/both", prod, sign(shopKey, prod, noon), 422, false},
		"a commit of its own":           {"team/both", to("both", "shop"), sign(shopKey, to("both", "shop"), noon), 200, false},
		"a commit of another":           {"team/both", to("both", "rest"), sign(shopKey, to("both", "rest"), noon), 403, false},
		"the own ServiceAccount":        {"team/prod", prod, []string{preview.TokenHeader, "ours:system:serviceaccount:team:deployer"}, 200, false},
		"for the API server":            {"team/prod", prod, []string{"Authorization", "Bearer system:serviceaccount:team:deployer"}, 200, false},
		"another ServiceAccount":        {"team/prod", prod, []string{preview.TokenHeader, "ours:system:serviceaccount:team:default"}, 403, false},
		"that of another namespace":     {"team/prod", prod, []string{preview.TokenHeader, "ours:system:serviceaccount:other:deployer"}, 403, false},
		"who may read apps":             {"team/prod", prod, []string{"Authorization", "Bearer reader of team"}, 200, false},
		"who may read them elsewhere":   {"team/prod", prod, []string{"Authorization", "Bearer reader of other"}, 403, false},
		"nobody's token":                {"team/prod", prod, []string{"Authorization", "Bearer unknown"}, 403, false},
		"a token nobody can look at":    {"team/prod", prod, []string{"Authorization", "Bearer reader of team"}, 503, true},
		"too large":                     {"team/prod", strings.Repeat(" ", preview.MostRequest+1), sign(shopKey, prod, noon), 413, false},
		"signed nonsense":               {"team/prod", "{", sign(shopKey, "{", noon), 422, false},
		"a field that is not known":     {"team/prod", body("prod", `, "apply": true`), sign(shopKey, body("prod", `, "apply": true`), noon), 422, false},
		"a wrong signature and token":   {"team/prod", prod, append(sign(restKey, prod, noon), preview.TokenHeader, "reader of team"), 403, false},
		"an option instead of a commit": {"team/prod", body("prod", `, "to": "--upload-pack=x"`), sign(shopKey, body("prod", `, "to": "--upload-pack=x"`), noon), 422, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, asked := testPlanner(c.down)
			code, text := send(p, c.path, c.body, c.headers...)
			if code != c.code {
				t.Errorf("answered %d %s, want %d", code, text, c.code)
			}
			if (len(*asked) > 0) != (c.code == 200) {
				t.Errorf("answered %d, and %d plans were made", code, len(*asked))
			}
			for _, secret := range []string{shopKey, restKey} {
				if strings.Contains(text, secret) {
					t.Errorf("the answer has a key in it: %s", text)
				}
			}
		})
	}
}

// TestPlanRate holds that nobody can keep the controller busy with requests.
func TestPlanRate(t *testing.T) {
	p, asked := testPlanner(false)
	body := `{"namespace": "team", "environment": "prod"}`
	late := noon
	p.now = func() time.Time { return late }
	codes := map[int]int{}
	for range plansAtFirst + 10 {
		code, _ := send(p, "team/prod", body, preview.Header, preview.Sign([]byte(shopKey), []byte(body), late))
		codes[code]++
	}
	if codes[200] != plansAtFirst || codes[429] != 10 || len(*asked) != plansAtFirst {
		t.Errorf("answered %v, made %d plans", codes, len(*asked))
	}
	late = late.Add(time.Minute)
	if code, text := send(p, "team/prod", body, preview.Header, preview.Sign([]byte(shopKey), []byte(body), late)); code != 200 {
		t.Errorf("a minute later: %d %s", code, text)
	}
}
