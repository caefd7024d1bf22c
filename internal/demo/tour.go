package demo

import (
	"context"
	"fmt"
	"time"
)

// step is one thing that the tour shows.
type step struct {
	name  string
	about string
	run   func(*tour, context.Context) error
}

// steps are the tour, in order. Each leaves all apps well.
func steps() []step {
	return []step{
		{"All apps arrive", "Three Environments follow branch main: every directory apps/*/<environment> is an App. " +
			"web waits for api, api for catalog and cart; api migrates its database first.", (*tour).arrive},
		{"A commit goes live", "Ada raises the version of web in staging and pushes. The Git server tells Fairlead by a signed webhook.", (*tour).commit},
		{"A hand edit is undone", "Somebody changes production with kubectl. Fairlead sees it by its watch, puts it right and says who it was.", (*tour).undo},
		{"A broken commit is refused", "One commit breaks the YAML of catalog, misspells a field of cart, and changes web. What is broken stays as it was; web goes on.", (*tour).refuse},
		{"A release proves itself, or goes back", "What is healthy may be wrong all the same. web in the US says what has to be so after each release; what is not so is taken back by itself, and all of it is on record.", (*tour).prove},
		{"A directory is removed", "Taking mail out of staging is removing its directory: its objects go, and then its App.", (*tour).remove},
		{"A big deletion is held", "A commit that would delete more than a quarter of an environment waits for a person. Here it is taken back in Git.", (*tour).hold},
	}
}

// tour is what the steps share.
type tour struct {
	*stage
	apps    *follower
	figures []figure
}

func newTour(ctx context.Context, st *stage) (*tour, error) {
	apps, err := st.kube.follow(ctx, "App", tenantNamespace, "")
	if err != nil {
		return nil, err
	}
	return &tour{stage: st, apps: apps}, nil
}

// take takes the steps, and ends at the first that fails.
func (t *tour) take(ctx context.Context) error {
	all := steps()
	for i, s := range all {
		t.screen.head(fmt.Sprintf("%d of %d  %s", i+1, len(all), s.name), s.about)
		if err := t.one(ctx, s); err != nil {
			t.screen.fail(err.Error())
			if ctx.Err() == nil {
				t.explain()
			}
			return fmt.Errorf("step %d of the demo failed (%s): %w", i+1, s.name, err)
		}
	}
	return nil
}

func (t *tour) one(ctx context.Context, s step) error {
	most := t.patience()
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("not within %s", most))
	defer cancel()
	return s.run(t, ctx)
}

// measured notes a figure for the summary.
func (t *tour) measured(name string, times ...time.Duration) timings {
	t.figures = append(t.figures, figure{name, times})
	return times
}
