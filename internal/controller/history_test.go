package controller

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/store"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// testArchive serves what happened in two namespaces, in two environments each, and a store to spoil it by.
func testArchive(t *testing.T, open func(s *store.Store, path string) (*store.Store, error)) (address string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	s, err := store.Create(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var records []history.Record
	for i, place := range []string{"team/prod", "team/rest", "other/prod", "other/rest"} {
		namespace, environment, _ := strings.Cut(place, "/")
		records = append(records, history.Record{
			Time: noon.Add(time.Duration(i) * time.Minute), Kind: history.Prune, Key: place, Namespace: namespace, Environment: environment, App: "web",
		})
	}
	if _, err := s.Append(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	env := func(name, account string) v1alpha1.Environment {
		e := v1alpha1.Environment{}
		e.Namespace, e.Name, e.Spec.Destination.ServiceAccount = "team", name, account
		return e
	}
	a := &archive{
		guard: &guard{tokens: tokens{}, accesses: accesses{}},
		store: func() (*store.Store, error) { return open(s, path) },
		environments: func(_ context.Context, namespace string) ([]v1alpha1.Environment, error) {
			if namespace != "team" {
				return nil, nil
			}
			return []v1alpha1.Environment{env("prod", "deployer"), env("rest", "")}, nil
		},
		waits: func() string { return "2 records wait for the history store: it is read-only" },
		now:   func() time.Time { return noon }, refused: func(context.Context, string, error) {}, turns: make(chan struct{}, 1),
	}
	mux := http.NewServeMux()
	mux.Handle("GET /api/v1/history", a)
	mux.Handle("GET /api/v1/history/{namespace}", a)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func asIs(s *store.Store, _ string) (*store.Store, error) { return s, nil }

// asked sends a request, and returns which keys are in the answer, or its status.
func asked(t *testing.T, url, token string) (string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(preview.TokenHeader, token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.StatusCode), res.Header
	}
	var keys []string
	for line, err := range store.Scan(res.Body) {
		if err != nil {
			return strings.Join(append(keys, "broken off"), " "), res.Header
		}
		r, err := history.ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, r.Key)
	}
	return strings.Join(keys, " "), res.Header
}

// TestHistoryAccess holds who sees which records, and that nobody else learns anything.
func TestHistoryAccess(t *testing.T) {
	const (
		deployer = "ours:system:serviceaccount:team:deployer"
		fallback = "ours:system:serviceaccount:team:default"
		reader   = "ours:reader of team"
	)
	at := testArchive(t, asIs)
	for name, c := range map[string]struct{ path, token, want string }{
		"who may get apps":                {"/team", reader, "team/prod team/rest"},
		"of one environment":              {"/team?environment=rest", reader, "team/rest"},
		"the newest":                      {"/team?newest=1", reader, "team/rest"},
		"of another namespace":            {"/other", reader, "403"},
		"of all":                          {"", reader, "403"},
		"who may get apps everywhere":     {"", "ours:reader of ", "team/prod team/rest other/prod other/rest"},
		"the ServiceAccount":              {"/team", deployer, "team/prod"},
		"the ServiceAccount, by name":     {"/team?environment=prod", deployer, "team/prod"},
		"the ServiceAccount of another":   {"/team?environment=rest", deployer, "403"},
		"it and another":                  {"/team?environment=prod&environment=rest", deployer, "403"},
		"the default ServiceAccount":      {"/team", fallback, "team/rest"},
		"that of another namespace":       {"/other", deployer, "403"},
		"a ServiceAccount of nothing":     {"/team", "ours:system:serviceaccount:team:other", "403"},
		"a ServiceAccount, all":           {"", deployer, "403"},
		"nobody":                          {"/team", "", "403"},
		"nobody's token":                  {"/team", "unknown", "403"},
		"a filter that is none":           {"/team?author=me", reader, "422"},
		"a filter of the whole chain":     {"?environment=prod", "ours:reader of ", "422"},
		"a namespace that does not exist": {"/none", "ours:reader of none", ""},
	} {
		if got, _ := asked(t, at+"/api/v1/history"+c.path, c.token); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestHistoryHeaders(t *testing.T) {
	at := testArchive(t, func(s *store.Store, _ string) (*store.Store, error) {
		_, err := s.Retain(t.Context(), noon.Add(time.Second))
		return s, err
	})
	got, header := asked(t, at+"/api/v1/history/team?kind=Prune", "ours:reader of team")
	if got != "team/rest" || header.Get(history.DroppedHeader) != noon.UTC().Format(time.RFC3339Nano) {
		t.Errorf("what is left is %q, and of what was dropped it is said %q", got, header.Get(history.DroppedHeader))
	}
	if why := header.Get(history.WaitingHeader); why != "2 records wait for the history store: it is read-only" {
		t.Errorf("of what is not on record it is said %q", why)
	}
	if end, err := history.ParseLink(header.Get(history.EndHeader)); err != nil || end.Seq != 6 {
		t.Errorf("the end is said to be %s, %v", end, err)
	}
}

// TestHistoryBreaksOff: an answer that could not be finished is not taken for one that was.
func TestHistoryBreaksOff(t *testing.T) {
	down := testArchive(t, func(*store.Store, string) (*store.Store, error) {
		return nil, fault.New(fault.Transient, errors.New("7 records wait for the history store: no connection"))
	})
	if got, _ := asked(t, down+"/api/v1/history/team", "ours:reader of team"); got != "503" {
		t.Errorf("a store that is down: %q", got)
	}
	spoilt := func(before int) string {
		return testArchive(t, func(s *store.Store, path string) (*store.Store, error) {
			var records []history.Record
			for n := range before {
				records = append(records, history.Record{
					Time: noon.Add(time.Hour), Kind: history.Prune, Key: fmt.Sprint(n), Namespace: "team", Environment: "prod", Plan: strings.Repeat("x", 1000),
				})
			}
			bad := history.Record{Time: noon.Add(2 * time.Hour), Kind: history.Prune, Key: "bad", Namespace: "team", Environment: "prod"}
			if _, err := s.Append(t.Context(), append(records, bad)); err != nil {
				return nil, err
			}
			db, err := sql.Open("sqlite", path)
			if err == nil {
				_, err = db.ExecContext(t.Context(), "UPDATE fairlead_history SET line = replace(line, 'bad', 'bat') WHERE key = 'bad'")
			}
			return s, errors.Join(err, db.Close())
		})
	}
	if got, _ := asked(t, spoilt(0)+"/api/v1/history/team", "ours:reader of team"); got != "422" {
		t.Errorf("a record that was changed, among a few: %q", got)
	}
	if got, _ := asked(t, spoilt(200)+"/api/v1/history/team", "ours:reader of team"); !strings.HasSuffix(got, " broken off") {
		t.Errorf("a record that was changed, among many: %q", got)
	}
}
