package controller

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fleet"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

const someCommit = "3f9a2c1e0b6d4c7f8a9b0c1d2e3f4a5b6c7d8e9f"

// testDeployer has an environment team/prod, whose candidates go to the phase that they are told to with each look.
func testDeployer(phases ...string) (*deployer, *[]Deploy) {
	asked := &[]Deploy{}
	env := &v1alpha1.Environment{}
	env.Namespace, env.Name = "team", "prod"
	env.Spec.Sources = []v1alpha1.Source{{Ref: v1alpha1.Ref{Branch: "main"}, Candidate: &v1alpha1.Candidate{Branch: "candidate/*"}}}
	plain := env.DeepCopy()
	plain.Name, plain.Spec.Sources[0].Candidate = "plain", nil
	return &deployer{
		guard: &guard{tokens: tokens{}, accesses: accesses{}},
		environment: func(_ context.Context, e fleet.Environment) (*v1alpha1.Environment, []v1alpha1.App, error) {
			if e == (fleet.Environment{Namespace: "team", Name: "plain"}) {
				return plain, nil, nil
			}
			if e != (fleet.Environment{Namespace: "team", Name: "prod"}) {
				return nil, nil, nil
			}
			out := env.DeepCopy()
			if len(*asked) > 0 && len(phases) > 0 {
				env.Status.Candidates = []v1alpha1.CandidateStatus{{Commit: someCommit, Request: (*asked)[0].Request, Phase: phases[0]}}
				phases = phases[1:]
			}
			return out, nil, nil
		},
		ask: func(_ context.Context, _ *v1alpha1.Environment, d Deploy) error {
			*asked = append(*asked, d)
			text, _ := json.Marshal(d)
			env.Annotations = map[string]string{AnnotationDeploy: string(text)}
			return nil
		},
		now: func() time.Time { return noon }, refused: func(context.Context, fleet.Environment, error) {}, turns: make(chan struct{}, deploysAtOnce),
	}, asked
}

func askDeploy(t *testing.T, d *deployer, environment, token, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/deploy/team/"+environment, strings.NewReader(body))
	r.SetPathValue("namespace", "team")
	r.SetPathValue("environment", environment)
	r.Header.Set(preview.TokenHeader, token)
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

// TestDeployAdmits holds who may ask for what.
func TestDeployAdmits(t *testing.T) {
	const good = `{"request":"1","commit":"` + someCommit + `"}`
	for _, c := range []struct {
		name, environment, token, body string
		status                         int
		says                           string
	}{
		{"no token", "prod", "", good, 403, "not accepted"},
		{"nobody's token", "prod", "unknown", good, 403, "not accepted"},
		{"another right", "prod", "reader of team", good, 403, "may deploy environments.fairlead.dev prod in namespace team"},
		{"another environment's", "plain", "deployer of prod", good, 403, "not accepted"},
		{"none that there is", "none", "deployer of none", good, 422, "there is no environment none"},
		{"no candidates", "plain", "deployer of plain", good, 422, "has no candidates"},
		{"no JSON", "prod", "deployer of prod", `{`, 422, "not the JSON"},
		{"no commit", "prod", "deployer of prod", `{"request":"1","commit":"main"}`, 422, "full id"},
		{"no request", "prod", "deployer of prod", `{"commit":"` + someCommit + `"}`, 422, "request"},
		{"too large", "prod", "deployer of prod", strings.Repeat(" ", mostDeploy+1), 413, "too large"},
		{"good", "prod", "deployer of prod", good, 200, `{"branch":"main"}`},
		{"good, for Fairlead alone", "prod", "ours:deployer of prod", good, 200, `{"branch":"main"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, asked := testDeployer()
			w := askDeploy(t, d, c.environment, c.token, c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s, want %d and %q", w.Code, w.Body, c.status, c.says)
			}
			if (len(*asked) > 0) != (c.status == 200) {
				t.Errorf("it was asked for %v", *asked)
			}
			for _, x := range *asked {
				if x.By != "deployer of prod" {
					t.Errorf("it was asked for by %q", x.By)
				}
			}
		})
	}
}

// TestDeployTells has a request told of what becomes of it; made again, it is told of the same.
func TestDeployTells(t *testing.T) {
	d, asked := testDeployer("Waiting", "Trying", "Trying", "Moved")
	body := `{"request":"1","commit":"` + someCommit + `","wait":true}`
	want := "{\"branch\":\"main\"}\n{\"branch\":\"main\",\"phase\":\"Waiting\"}\n{\"branch\":\"main\",\"phase\":\"Trying\"}\n{\"branch\":\"main\",\"phase\":\"Moved\"}\n"
	if got := askDeploy(t, d, "prod", "deployer of prod", body).Body.String(); got != want {
		t.Errorf("it was told\n%s", got)
	}
	if got := askDeploy(t, d, "prod", "deployer of prod", body).Body.String(); got != "{\"branch\":\"main\",\"phase\":\"Moved\"}\n" {
		t.Errorf("the second time it was told\n%s", got)
	}
	if len(*asked) != 1 {
		t.Errorf("it was asked for %d times", len(*asked))
	}
}

// TestDeployAgain has a request written though somebody else writes to the Environment.
func TestDeployAgain(t *testing.T) {
	d, asked := testDeployer()
	write, n := d.ask, 0
	d.ask = func(ctx context.Context, env *v1alpha1.Environment, x Deploy) error {
		if n++; n < 3 {
			return errors.New("somebody was faster")
		}
		return write(ctx, env, x)
	}
	if w := askDeploy(t, d, "prod", "deployer of prod", `{"request":"1","commit":"`+someCommit+`"}`); w.Code != 200 || len(*asked) != 1 {
		t.Errorf("%d %s after %d tries", w.Code, w.Body, n)
	}
}
