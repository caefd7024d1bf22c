package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/store"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// recordOptions say where records are read: from the controller, or from a store.
type recordOptions struct {
	target
	server, system, store string
}

const recordsHelp = `The controller is asked at --server, else through the API server, with a token of the environment's ServiceAccount, which
the API server gives to who may create one. With --store the database is read instead: by who runs Fairlead.`

const timesHelp = `A time is written 2026-03-03T10:00Z, 2026-03-03T10:00 or 2026-03-03, in the time zone of this machine if it names none, or as
how long ago it is: 90m, 24h, 7d; now is now.`

func (o *recordOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	o.clusterFlags(f)
	f.StringVar(&o.server, "server", "", "address of the controller (default: $FAIRLEAD_SERVER, else through the API server)")
	f.StringVar(&o.system, "fairlead-namespace", "fairlead-system", "Fairlead's own namespace, where the API server finds the controller")
	f.StringVar(&o.store, "store", "", "read this store instead of asking the controller: sqlite:PATH or postgres://USER@HOST/DATABASE")
}

// namedFlags are flags, and completion, of a command about an environment or an app.
func (o *recordOptions) namedFlags(cmd *cobra.Command, w IO) {
	o.flags(cmd)
	o.namespaceFlag(cmd)
	o.everywhereFlag(cmd)
	o.complete(cmd, w, kinds{envs: true, apps: true})
}

// found is what a query brought.
type found struct {
	records []history.Record
	dropped time.Time // when the last thing happened that was dropped with age; zero: nothing was
}

// find reads the records of an environment, an app, or, without a name, of all that there are.
func (o *recordOptions) find(ctx context.Context, w IO, name string, q history.Query) (found, error) {
	if o.store == "" {
		return o.ask(ctx, w, name, q)
	}
	s, err := store.Open(ctx, o.store)
	if err != nil {
		return found{}, err
	}
	defer func() { _ = s.Close() }()
	if o.namespace != "" {
		q.Namespaces = []string{o.namespace}
	}
	if env, app, _ := strings.Cut(name, "/"); name != "" {
		q.Environments, q.App = []string{env}, app
	}
	f := found{}
	if f.dropped, err = s.Dropped(ctx); err == nil {
		f.records, err = collect(s.Find(ctx, q))
	}
	return f, err
}

func collect(records iter.Seq2[history.Record, error]) ([]history.Record, error) {
	var out []history.Record
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// account is as whom the controller is asked, and so about which environments.
type account struct{ namespace, name string }

// ask asks the controller, once for each ServiceAccount.
func (o *recordOptions) ask(ctx context.Context, w IO, name string, q history.Query) (found, error) {
	namespace, err := o.place(w)
	if err != nil {
		return found{}, err
	}
	c, err := o.connect(w)
	if err != nil {
		return found{}, err
	}
	f, err := read(ctx, c, namespace)
	if err != nil {
		return found{}, err
	}
	accounts := map[account][]string{}
	if name != "" {
		env, app, err := f.planned(name)
		if err != nil {
			return found{}, err
		}
		f.envs, q.App = keep(f.envs, func(e v1alpha1.Environment) bool {
			return e.Name == env.Name && (e.Namespace == env.Namespace || namespace == "")
		}), app
	}
	for i := range f.envs {
		e := &f.envs[i]
		a := account{e.Namespace, cmp.Or(e.Spec.Destination.ServiceAccount, "default")}
		accounts[a] = append(accounts[a], e.Name)
	}
	if len(accounts) == 0 {
		return found{}, fmt.Errorf("there is no environment in %s: who runs Fairlead can read what was, with --store", f.where)
	}
	a, err := o.asker(w)
	if err != nil {
		return found{}, err
	}
	var all found
	var left []error
	waits := ""
	for _, who := range slices.SortedFunc(maps.Keys(accounts), func(a, b account) int {
		return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
	}) {
		q.Environments = accounts[who]
		lines, header, err := a.records(ctx, who, "/"+url.PathEscape(who.namespace), q)
		if apierrors.IsNotFound(err) && name == "" { // one broken environment is not in the way of the others
			left = append(left, err)
			_, _ = fmt.Fprintf(w.Err, "warning: left out: %s in %s: %v\n", strings.Join(q.Environments, ", "), who.namespace, err)
			continue
		}
		if err != nil {
			return found{}, err
		}
		all.records = append(all.records, lines...)
		if at, err := time.Parse(time.RFC3339Nano, header.Get(history.DroppedHeader)); err == nil {
			all.dropped = at
		}
		waits = cmp.Or(waits, header.Get(history.WaitingHeader))
	}
	if waits != "" {
		_, _ = fmt.Fprintf(w.Err, "warning: not all is on record yet: %s\n", oneLine(waits))
	}
	if len(left) == len(accounts) {
		return found{}, left[0]
	}
	all.records = history.InOrder(all.records)
	if q.Newest > 0 {
		all.records = all.records[max(0, len(all.records)-q.Newest):]
	}
	return all, nil
}

// asker is who asks the controller for records, with a token.
func (o *recordOptions) asker(w IO) (asker, error) {
	p := planOptions{target: o.target, server: cmp.Or(o.server, w.Getenv("FAIRLEAD_SERVER")), system: o.system}
	without := w
	without.Getenv = func(name string) string { // a planToken signs requests for plans alone
		if name == planTokenVariable {
			return ""
		}
		return w.Getenv(name)
	}
	a, err := p.asker(without)
	if err != nil {
		return a, err
	}
	a.client.Timeout = 0 // a long history takes its time: see recordPatience
	if !a.direct {
		through := rest.CopyConfig(a.config)
		through.Timeout = 0
		a.client, err = rest.HTTPClientFor(through)
	}
	return a, err
}

// recordPatience is how long it may take to read records.
const recordPatience = 15 * time.Minute

// records asks for records.
func (a asker) records(ctx context.Context, as account, path string, q history.Query) ([]history.Record, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, recordPatience)
	defer cancel()
	res, err := a.get(ctx, as, path, q)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	var out []history.Record
	for line, err := range store.Scan(res.Body) {
		if err != nil {
			return nil, nil, fmt.Errorf("read records: the answer broke off: %w", err)
		}
		r, err := history.ParseLine(line)
		if err != nil {
			return nil, nil, fmt.Errorf("read records: %w: is %s a controller of Fairlead?", err, a.base)
		}
		out = append(out, r)
	}
	return out, res.Header, nil
}

// get sends a request for records. Who calls it closes the body.
func (a asker) get(ctx context.Context, as account, path string, q history.Query) (*http.Response, error) {
	to := a.base + "/api/v1/history" + path
	if values := q.Values(); len(values) > 0 {
		to += "?" + values.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return nil, err
	}
	if err := keepsSecret(req.URL, nil); err != nil {
		return nil, err
	}
	token, err := a.token(ctx, want{Request: preview.Request{Namespace: as.namespace}, serviceAccount: as.name})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: it is asked for the right to read the history; say with --store which database the controller writes, and that is read instead", err)
	}
	if err != nil {
		return nil, err
	}
	req.Header.Set(preview.TokenHeader, token)
	res, err := a.client.Do(req)
	for err == nil && res.StatusCode == http.StatusTooManyRequests { // it answers so many in a second: there may be as many ServiceAccounts
		_ = res.Body.Close()
		if err = comply(ctx, res.Header.Get("Retry-After")); err == nil {
			res, err = a.client.Do(req)
		}
	}
	var at *url.Error
	switch {
	case a.direct && ctx.Err() == nil && errors.As(err, &at):
		return nil, fmt.Errorf("the controller at %s cannot be asked: %w: does it run, and is --server, or FAIRLEAD_SERVER, its address?", a.base, at.Err)
	case err != nil:
		return nil, fmt.Errorf("ask the controller for records: %w", err)
	case res.StatusCode == http.StatusOK:
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("ask the controller for records: %w", err)
	}
	if res.StatusCode == http.StatusNotFound && a.direct {
		return nil, fmt.Errorf("%s: there is no history at this address: is it a controller of Fairlead, not an older one, and not one with --history \"\"?", to)
	}
	return nil, errors.New(strings.Replace(refusal(res.StatusCode, to, data).Error(), "no plan: ", "no records: ", 1))
}

// comply waits for as many seconds as a server asks for: at least one, and at most ten.
func comply(ctx context.Context, seconds string) error {
	n, _ := strconv.Atoi(seconds)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(min(max(n, 1), 10)) * time.Second):
		return nil
	}
}

// parseTime reads a time as people write it: see timesHelp.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n < 100_000 {
			return now.Add(-time.Duration(n * 24 * float64(time.Hour))), nil
		}
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%q is no time: want 2026-03-03T10:00Z, 2026-03-03, now, or how long ago: 90m, 24h, 7d", s)
}

// complete says whether what was dropped with age leaves enough to say what was at a time.
func (f found) complete(t time.Time) error {
	if !f.dropped.IsZero() && t.Before(f.dropped) {
		return fmt.Errorf("records up to %s were dropped with age: what was at %s is not known", f.dropped.Format(time.RFC3339), t.Format(time.RFC3339))
	}
	return nil
}
