package forge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Marked returns what a forge shows beside a commit under a name: the newest status of that context, and of GitHub the newest checks of that name too, which is
// what its Actions leave. Where there are several the one that fares worst counts. It is false if there is none. Errors are those of Tell.
func (c *Client) Marked(ctx context.Context, commit, name string) (Status, bool, error) {
	s, ok, err := c.Told(ctx, commit, name)
	if err != nil || c.d.checks == nil {
		return s, ok, err
	}
	data, err := c.ask(ctx, http.MethodGet, c.d.checks(c.repo, commit, name), nil)
	var list struct {
		Runs []checkRun `json:"check_runs"`
	}
	if err == nil {
		if err = json.Unmarshal(data, &list); err != nil {
			err = fault.Newf(fault.Transient, "the answer is not what %s answers", c.kind)
		}
	}
	if err != nil {
		return Status{}, false, fmt.Errorf("ask %s about checks of commit %s: %w", c.kind, commit[:min(8, len(commit))], err)
	}
	for _, r := range list.Runs {
		if r.Name != name {
			continue
		}
		if x := r.status(); !ok || worse(x.State, s.State) {
			s, ok = x, true
		}
	}
	return s, ok, nil
}

// worse reports whether one state is worse than another: what failed, then what is not done.
func worse(a, b State) bool {
	rank := map[State]int{Failure: 2, Pending: 1}
	return rank[a] > rank[b]
}

// checkRun is a check of GitHub.
type checkRun struct {
	Name       string `json:"name"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`
	Link       string `json:"html_url"`
	Output     struct {
		Title string `json:"title"`
	} `json:"output"`
}

func (r checkRun) status() Status {
	s := Status{Context: r.Name, State: Failure, Description: r.Output.Title, Link: r.Link}
	switch {
	case r.Status != "completed":
		s.State = Pending
	case r.Conclusion == "success", r.Conclusion == "neutral", r.Conclusion == "skipped": // as GitHub has it for checks that a branch requires
		s.State = Success
	case s.Description == "":
		s.Description = r.Conclusion
	}
	return s
}

// githubChecks is where GitHub lists the newest checks of a name.
func githubChecks(repo, commit, name string) string {
	return "/repos/" + escape(repo) + "/commits/" + commit + "/check-runs?filter=latest&per_page=100&check_name=" + url.QueryEscape(name)
}
