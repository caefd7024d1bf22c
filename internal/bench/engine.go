package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
	"github.com/fairlead-cd/fairlead/internal/child"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/series"
)

// engine is the controller as a process, and how it is asked what it did.
type engine struct {
	process  *child.Process
	address  string // http://host:port
	git      *gitserver.Server
	rendered atomic.Int64 // apps, as its log says
}

// local asks this machine, never a proxy.
var local = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

// startController starts the controller as it is shipped, and waits until it has its part.
func (s *stage) startController(ctx context.Context) error {
	e := &engine{git: s.git}
	address := make(chan string, 1)
	seen := func(line string) {
		if strings.Contains(line, `"msg":"app rendered"`) {
			e.rendered.Add(1)
			return
		}
		var said struct{ Msg, Address string }
		if strings.Contains(line, `"listening"`) && json.Unmarshal([]byte(line), &said) == nil {
			address <- said.Address
		}
	}
	args := []string{"controller", "--kubeconfig", s.kubeconfig(), "--data-dir", filepath.Join(s.dir, "mirrors"), "--namespace", own, "--listen", "127.0.0.1:0"}
	if s.Profiles != "" {
		args = append(args, "--profiling")
	}
	var err error
	e.process, err = child.Start(child.Command{
		Name: "the controller", Program: s.Fairlead, Args: args, Log: filepath.Join(s.dir, "controller.log"), Seen: seen, Died: s.died,
	})
	if err != nil {
		return err
	}
	s.engine = e
	ctx, cancel := s.patience(ctx)
	defer cancel()
	select {
	case a := <-address:
		e.address = "http://" + a
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return e.poll(ctx, "the controller to have its part", 20*time.Millisecond, func(m series.Set) bool { return m.Sum("fairlead_replicas") == 1 })
}

func (e *engine) stop() {
	if e != nil {
		e.process.Stop()
	}
}

// poll asks for the metrics again and again, until they are as wanted.
func (e *engine) poll(ctx context.Context, what string, every time.Duration, wanted func(series.Set) bool) error {
	for {
		m, err := e.metrics(ctx)
		if err == nil && wanted(m) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, errors.Join(context.Cause(ctx), err))
		case <-time.After(every):
		}
	}
}

func (e *engine) metrics(ctx context.Context) (series.Set, error) {
	text, err := e.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	return series.Parse(string(text))
}

func (e *engine) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.address+path, nil)
	if err != nil {
		return nil, err
	}
	return do(req)
}

// hook tells the controller of a push. It returns when that was just about to be sent.
func (e *engine) hook(ctx context.Context) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.address+"/webhook/"+tenant+"/"+repository, strings.NewReader("{}"))
	if err != nil {
		return time.Time{}, err
	}
	req.Header.Set("Authorization", "Bearer "+hookToken)
	sent := time.Now()
	_, err = do(req)
	return sent, err
}

func do(req *http.Request) ([]byte, error) {
	res, err := local.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", req.Method, req.URL.Path, res.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}

// count is what the controller has done since it was started, all of it.
type count struct {
	requests   figures.Counts // to the API server, without those for its Lease
	renders    int
	fetches    int // from Git, as the Git server counts
	gitRequest int
}

const (
	requestsTotal = "fairlead_api_requests_total"
	rendersTotal  = `fairlead_stage_duration_seconds_count{stage="render"}`
)

func (e *engine) counts(ctx context.Context) (count, error) {
	m, err := e.metrics(ctx)
	if err != nil {
		return count{}, err
	}
	return e.countsOf(m), nil
}

func (e *engine) countsOf(m series.Set) count {
	c := count{requests: figures.Counts{}, renders: int(m.Sum(rendersTotal)), fetches: e.git.Count("fetch")}
	c.gitRequest = e.git.Count("info/refs") + e.git.Count("ls-refs") + c.fetches
	for s, v := range m {
		if !strings.HasPrefix(s, requestsTotal+"{") {
			continue
		}
		if _, labels := series.Split(s); labels["resource"] != "leases" {
			c.requests[strings.TrimSpace(labels["verb"]+" "+labels["resource"])] += int(v)
		}
	}
	return c
}

// minus is what was done since.
func (c count) minus(before count) count {
	out := count{
		requests: figures.Counts{}, renders: c.renders - before.renders, fetches: c.fetches - before.fetches, gitRequest: c.gitRequest - before.gitRequest,
	}
	for kind, n := range c.requests {
		if d := n - before.requests[kind]; d != 0 {
			out.requests[kind] = d
		}
	}
	return out
}

// total adds up the requests of some verbs; of none, all.
func (c count) total(verbs ...string) int {
	sum := 0
	for kind, n := range c.requests {
		if verb, _, _ := strings.Cut(kind, " "); len(verbs) == 0 || slices.Contains(verbs, verb) {
			sum += n
		}
	}
	return sum
}

// writes are the requests that change something. A question about rights is none, though it is put by a create.
func (c count) writes() int {
	sum := 0
	for kind, n := range c.requests {
		verb, resource, _ := strings.Cut(kind, " ")
		if slices.Contains([]string{"apply", "create", "update", "patch", "delete", "deletecollection"}, verb) && !strings.HasSuffix(resource, "reviews") {
			sum += n
		}
	}
	return sum
}

const (
	// calm is how long nothing may happen before a part begins: longer than whatever the controller puts off to gather it.
	calm = 700 * time.Millisecond
	// look is how often it is asked meanwhile.
	look = 100 * time.Millisecond
)

// quiet waits until the controller has nothing to do and has sent no request for a while, and returns what it has done until then.
func (e *engine) quiet(ctx context.Context) (count, error) {
	var last count
	since := time.Now()
	err := e.poll(ctx, "the controller to have nothing to do", look, func(m series.Set) bool {
		c := e.countsOf(m)
		if !m.Idle() || c.total() != last.total() || c.gitRequest != last.gitRequest {
			since = time.Now()
		}
		last = c
		return time.Since(since) > calm
	})
	return last, err
}
