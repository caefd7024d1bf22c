package controller

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/render"
)

// charts answers what renders ask about Helm charts. What a chart came to before is answered at once, whatever its repository says meanwhile. What is not known is
// fetched in the background, and waited for a moment: a render that comes too early is tried again. Ranges of versions are looked at again with the interval, one
// question for each repository.
type charts struct {
	store   *registry.Charts
	changed func(render.Question)
	secret  secretReader
	now     func() time.Time
	log     *slog.Logger
	life    context.Context // of what runs in the background

	mu     sync.Mutex
	wishes map[string]*wished
	places map[string]time.Time // when a repository is looked at next, by its place
	rules  map[string]*rule
}

// wished is a chart that apps ask for.
type wished struct {
	key      string
	wish     registry.Wish
	question render.Question
	interval time.Duration
	asked    time.Time     // when an app asked last
	busy     chan struct{} // closed when the fetch ends that is under way; nil: none is
	err      error         // why the last fetch failed
	until    time.Time     // the error stands until then
	failures int
}

// rule is how charts are fetched for an Environment: what the Secrets held when they were read last.
type rule struct {
	access registry.Access
	trust  registry.Trust
	at     time.Time
}

// fetchCharts begins to keep charts in the data directory, and to look for newer ones.
func fetchCharts(ctx context.Context, mgr manager.Manager, cfg Config, o registry.Options) (*charts, error) {
	store := registry.KeepCharts(filepath.Join(cfg.DataDir, "charts"), o)
	reader := mgr.GetAPIReader()
	c := newCharts(ctx, store, func(ctx context.Context, namespace, field, name string) (map[string][]byte, error) {
		s, err := secretIn(ctx, reader, namespace, field, name)
		if err != nil {
			return nil, err
		}
		return s.Data, nil
	}, cfg.Log)
	return c, mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		c.run(ctx)
		return nil
	}))
}

func newCharts(life context.Context, store *registry.Charts, secret secretReader, log *slog.Logger) *charts {
	return &charts{
		store: store, secret: secret, changed: func(render.Question) {}, now: time.Now, log: log, life: life,
		wishes: map[string]*wished{}, places: map[string]time.Time{}, rules: map[string]*rule{},
	}
}

// tell is given whom to tell of newer charts, before it is asked anything.
func (c *charts) tell(changed func(render.Question)) Beyond {
	c.changed = changed
	return c
}

// secretReader reads the entries of a Secret that a field names.
type secretReader func(ctx context.Context, namespace, field, name string) (map[string][]byte, error)

const (
	// chartMoment is how long a render waits for a chart that is fetched.
	chartMoment = 3 * time.Second
	// chartTime bounds one fetch, and one look.
	chartTime = 2 * time.Minute
	// chartForgotten is how long nobody has to ask for a chart until nobody looks for a newer one.
	chartForgotten = 24 * time.Hour
	// ruleLasts is how long Secrets are not read again.
	ruleLasts = time.Minute
)

// Ask answers a question about a chart, with the credentials that an Environment has for it.
func (c *charts) Ask(ctx context.Context, env *v1alpha1.Environment, q render.Question) (render.Answer, error) {
	spec, field := chartRepository(env, q.URL)
	r, err := c.ruleOf(ctx, env.Namespace, spec, field)
	if err != nil {
		return render.Answer{}, err
	}
	w := registry.Wish{URL: q.URL, Name: q.Chart, Version: q.Version, Access: r.access, Trust: r.trust}
	x := c.wished(w, q, cmp.Or(spec.Interval.Duration, 10*time.Minute))
	if found, ok := c.store.Known(w); ok {
		return chartAnswer(found), nil
	}
	busy, err := c.fetch(x)
	if err != nil {
		return render.Answer{}, err
	}
	wait := time.NewTimer(chartMoment)
	defer wait.Stop()
	select {
	case <-busy:
	case <-wait.C:
	case <-ctx.Done():
	}
	if found, ok := c.store.Known(w); ok {
		return chartAnswer(found), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return render.Answer{}, cmp.Or(x.err, fault.Newf(fault.Transient, "%s is being fetched", w))
}

func chartAnswer(found registry.Chart) render.Answer {
	return render.Answer{ID: found.Version + " " + found.Content, Tree: found.Tree, Version: found.Version, Digest: found.Digest}
}

// chartRepository is what an Environment says of an address, and the field that says it.
func chartRepository(env *v1alpha1.Environment, url string) (v1alpha1.ChartRepository, string) {
	best := -1
	if env.Spec.Render == nil {
		return v1alpha1.ChartRepository{}, ""
	}
	all := env.Spec.Render.Charts
	for i, r := range all {
		base := strings.TrimSuffix(r.URL, "/")
		if (url == base || strings.HasPrefix(url, base+"/")) && (best < 0 || len(r.URL) > len(all[best].URL)) {
			best = i
		}
	}
	if best < 0 {
		return v1alpha1.ChartRepository{}, ""
	}
	return all[best], fmt.Sprintf("spec.render.charts[%d]", best)
}

// ruleOf reads the Secrets that an entry names, unless that was done a moment ago.
func (c *charts) ruleOf(ctx context.Context, namespace string, spec v1alpha1.ChartRepository, field string) (rule, error) {
	r := rule{access: registry.Access{Insecure: spec.Insecure, Field: field + ".secretRef"}, at: c.now()}
	if field == "" {
		r.access.Field = "spec.render.charts"
	}
	if spec.SecretRef == nil && spec.Verify == nil {
		return r, nil
	}
	key := fmt.Sprintf("%s %s %t %v %v", namespace, spec.URL, spec.Insecure, spec.SecretRef, spec.Verify)
	c.mu.Lock()
	known := c.rules[key]
	c.mu.Unlock()
	if known != nil && c.now().Sub(known.at) < ruleLasts {
		return *known, nil
	}
	if spec.SecretRef != nil {
		entries, err := c.secret(ctx, namespace, field+".secretRef", spec.SecretRef.Name)
		if err != nil {
			return r, err
		}
		insecure := r.access.Insecure
		if r.access, err = registry.AccessOf(entries, spec.URL); err != nil {
			return r, fmt.Errorf("%s.secretRef: %w", field, err)
		}
		r.access.Insecure, r.access.Field = insecure, field+".secretRef"
	}
	if spec.Verify != nil {
		entries, err := c.secret(ctx, namespace, field+".verify.secretRef", spec.Verify.SecretRef.Name)
		if err != nil {
			return r, err
		}
		if r.trust, err = registry.TrustOf(entries); err != nil {
			return r, fmt.Errorf("%s.verify.secretRef: %w", field, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rules) > 10_000 {
		clear(c.rules)
	}
	c.rules[key] = &r
	return r, nil
}

// wished notes that an app asks for a chart.
func (c *charts) wished(w registry.Wish, q render.Question, interval time.Duration) *wished {
	key := w.Key()
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.wishes[key]
	if x == nil {
		x = &wished{key: key, wish: w, question: q}
		c.wishes[key] = x
	}
	x.asked, x.interval = c.now(), interval
	if place := w.Place(); c.places[place].IsZero() {
		c.places[place] = x.asked.Add(interval)
	}
	return x
}

// fetch begins to fetch a chart, or joins who does. The error is that of a fetch that failed a moment ago.
func (c *charts) fetch(x *wished) (<-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.busy != nil {
		return x.busy, nil
	}
	if x.err != nil && c.now().Before(x.until) {
		return nil, x.err
	}
	busy := make(chan struct{})
	x.busy = busy
	go func() {
		ctx, cancel := context.WithTimeout(c.life, chartTime)
		defer cancel()
		found, err := c.store.Find(ctx, x.wish)
		c.mu.Lock()
		x.busy, x.err = nil, err
		if err == nil {
			x.failures = 0
		} else {
			x.failures++
			x.until = c.now().Add(min(time.Second<<min(x.failures, 10), x.interval))
		}
		c.mu.Unlock()
		close(busy)
		if err != nil {
			c.log.Warn("chart not fetched", "chart", x.wish.String(), "error", err)
			return
		}
		c.log.Info("chart fetched", "chart", x.wish.String(), "version", found.Version, "digest", found.Digest, "signer", found.Signer)
		c.changed(x.question)
	}()
	return busy, nil
}

// run looks for newer charts until ctx ends.
func (c *charts) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for place, wishes := range c.due() {
			c.look(ctx, place, wishes)
		}
	}
}

// due are the charts to look for now, by the repository that is asked.
func (c *charts) due() map[string][]*wished {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	out := map[string][]*wished{}
	used := map[string]bool{}
	for key, x := range c.wishes {
		if now.Sub(x.asked) > chartForgotten && x.busy == nil {
			delete(c.wishes, key)
			continue
		}
		place := x.wish.Place()
		used[place] = true
		if x.wish.Moves() && !now.Before(c.places[place]) {
			out[place] = append(out[place], x)
		}
	}
	for place := range c.places {
		if !used[place] {
			delete(c.places, place)
		}
	}
	for place, wishes := range out {
		slices.SortFunc(wishes, func(a, b *wished) int { return strings.Compare(a.key, b.key) })
		c.places[place] = now.Add(slices.MinFunc(wishes, func(a, b *wished) int { return cmp.Compare(a.interval, b.interval) }).interval)
	}
	return out
}

// look asks one repository whether ranges mean newer charts by now.
func (c *charts) look(ctx context.Context, place string, wishes []*wished) {
	ctx, cancel := context.WithTimeout(ctx, chartTime)
	defer cancel()
	all := make([]registry.Wish, len(wishes))
	for i, x := range wishes {
		all[i] = x.wish
	}
	news, err := c.store.Look(ctx, all)
	if err != nil {
		c.log.Warn("charts not looked for", "repository", all[0].URL, "error", err)
		if after := fault.After(err); after > 0 {
			c.mu.Lock()
			c.places[place] = c.now().Add(after)
			c.mu.Unlock()
		}
		return
	}
	for i, n := range news {
		switch {
		case n.Err != nil:
			c.log.Warn("chart stays what it was", "chart", n.Wish.String(), "version", n.Chart.Version, "error", n.Err)
		case n.Changed:
			c.log.Info("chart is newer", "chart", n.Wish.String(), "version", n.Chart.Version, "digest", n.Chart.Digest, "signer", n.Chart.Signer)
			c.changed(wishes[i].question)
		}
	}
}
