package inquiry_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/inquiry"
	"github.com/fairlead-cd/fairlead/internal/why"
)

const (
	app = `{"apiVersion":"fairlead.dev/v1alpha1","kind":"App","metadata":{"name":"prod-web","namespace":"shop","generation":1},
 "spec":{"environment":"prod","name":"web","repository":"config","path":"apps/web"},
 "status":{"observedGeneration":1,"phase":"Synced","health":"Progressing","reason":"Pod shop/web is Progressing: not ready",
 "unhealthy":[{"object":"Pod shop/web","health":"Progressing","message":"not ready"}]}}`
	pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop","uid":"p"},"status":{"phase":"Running","containerStatuses":[
 {"name":"main","image":"x","restartCount":5,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":1}}}]}}`
)

// cluster answers requests by their path, and remembers what it was asked.
func cluster(t *testing.T, answers map[string]string) (inquiry *rest.Config, asked func() string) {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		lines = append(lines, r.Method+" "+r.URL.RequestURI())
		mu.Unlock()
		text, ok := answers[r.URL.Path]
		switch {
		case !ok:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}`)
			return
		case strings.HasPrefix(text, "{"):
			w.Header().Set("Content-Type", "application/json")
		}
		_, _ = fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return &rest.Config{Host: s.URL}, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(lines, "\n")
	}
}

func answer(t *testing.T, config *rest.Config) why.Answer {
	t.Helper()
	i, err := inquiry.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	return i.Answer(context.Background(), why.Facts{Namespace: "shop", Name: "prod-web"}, time.Now)
}

// The log of the run that ended is asked for, few lines of it, and only by reading.
func TestLog(t *testing.T) {
	config, asked := cluster(t, map[string]string{
		"/apis/fairlead.dev/v1alpha1/namespaces/shop/apps/prod-web": app,
		"/api/v1/namespaces/shop/pods/web":                          pod,
		"/api/v1/namespaces/shop/pods/web/log":                      "starting\nno database\n",
	})
	a := answer(t, config)
	if len(a.Because) < 2 || a.Because[0].Says != "starting" || a.Because[1].Says != "no database" {
		t.Errorf("the answer is %+v", a)
	}
	got := asked()
	if want := "GET /api/v1/namespaces/shop/pods/web/log?container=main&limitBytes=8192&previous=true&tailLines=5"; !strings.Contains(got, want) {
		t.Errorf("it asks\n%s\nwant %s", got, want)
	}
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, "GET ") {
			t.Errorf("it does not only read: %s", line)
		}
	}
	if n := strings.Count(got, "\n"); n > 8 {
		t.Errorf("it takes %d requests:\n%s", n, got)
	}
}

// What is refused is told, and a server that is gone makes everything unknown.
func TestRefused(t *testing.T) {
	config, _ := cluster(t, nil)
	if a := answer(t, config); a.State != why.Unknown || !strings.Contains(a.Says, "you may not read apps") {
		t.Errorf("refused: %+v", a)
	}
	if a := answer(t, &rest.Config{Host: "http://127.0.0.1:1"}); a.State != why.Unknown || !strings.Contains(a.Says, "cannot be reached") {
		t.Errorf("gone: %+v", a)
	}
}
