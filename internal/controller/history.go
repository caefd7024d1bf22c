package controller

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/store"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// Bounds of what is done for who asks for records.
const (
	recordsTime    = 10 * time.Minute
	recordsAtOnce  = 4
	recordsPerHour = 36_000
	recordsAtFirst = 100
)

// archive answers requests for records of the history, one line for each.
type archive struct {
	guard        *guard
	store        func() (*store.Store, error)
	waits        func() string // why records wait for the store; empty: they do not
	environments func(ctx context.Context, namespace string) ([]v1alpha1.Environment, error)
	now          func() time.Time
	refused      func(ctx context.Context, path string, why error)

	turns chan struct{}
	tries bucket
}

// archive makes one of the controller.
func (c *controller) archive(g *guard, open func() (*store.Store, error), waits func() string) *archive {
	return &archive{
		guard: g, store: open, waits: waits, now: c.now, turns: make(chan struct{}, recordsAtOnce),
		environments: func(ctx context.Context, namespace string) ([]v1alpha1.Environment, error) {
			var list v1alpha1.EnvironmentList
			err := c.client.List(ctx, &list, client.InNamespace(namespace))
			return list.Items, err
		},
		refused: func(ctx context.Context, path string, why error) {
			c.log.WarnContext(ctx, "history refused", "path", path, "error", why)
		},
	}
}

// ServeHTTP answers GET /api/v1/history/{namespace} with the records of a namespace that a query asks for, in the order in which they happened, and
// GET /api/v1/history with the whole chain, in its own order. If something is wrong on the way the answer breaks off, which who asks sees.
func (a *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), recordsTime)
	defer cancel()
	if !a.tries.take(a.now(), recordsAtFirst, recordsPerHour) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests for records: try again later", http.StatusTooManyRequests)
		return
	}
	namespace := r.PathValue("namespace")
	query, err := history.ParseQuery(r.URL.Query())
	if namespace == "" && len(r.URL.Query()) > 0 {
		err = fault.Newf(fault.Invalid, "the whole chain is asked for without a query")
	}
	if err == nil {
		err = a.admit(ctx, r.Header, namespace, &query)
	}
	var s *store.Store
	if err == nil {
		s, err = a.store()
	}
	if err != nil {
		a.refused(ctx, r.URL.Path, err)
		http.Error(w, clipText(err.Error(), 4000), statusOf(err))
		return
	}
	select {
	case a.turns <- struct{}{}:
		defer func() { <-a.turns }()
	case <-ctx.Done():
		http.Error(w, "others read the history: try again", http.StatusServiceUnavailable)
		return
	}
	if why := a.waits(); why != "" {
		w.Header().Set(history.WaitingHeader, clipText(why, 1000))
	}
	if err := answer(ctx, w, s, namespace, query); err != nil {
		a.refused(ctx, r.URL.Path, err)
		panic(http.ErrAbortHandler) // so that it is not taken for all there is
	}
}

// answer sends records. An error before the first was sent is an answer, too; then it returns none.
func answer(ctx context.Context, w http.ResponseWriter, s *store.Store, namespace string, q history.Query) error {
	until, err := s.Dropped(ctx)
	end := history.Link{}
	if err == nil {
		end, err = s.End(ctx)
	}
	if err != nil {
		http.Error(w, clipText(err.Error(), 4000), statusOf(err))
		return nil
	}
	sent := &counted{Writer: w}
	out := bufio.NewWriterSize(sent, 64<<10)
	h := w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set(history.EndHeader, end.String())
	if !until.IsZero() {
		h.Set(history.DroppedHeader, until.Format(time.RFC3339Nano))
	}
	lines := s.FindLines(ctx, q)
	if namespace == "" {
		lines = s.Lines(ctx)
	}
	for line, err := range lines {
		if err == nil {
			_, err = out.Write(append(line[:len(line):len(line)], '\n'))
		}
		if err != nil && sent.n == 0 {
			http.Error(w, clipText(err.Error(), 4000), statusOf(err))
			return nil
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// counted counts what was written.
type counted struct {
	io.Writer
	n int
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += n
	return n, err
}

var errNoRecords = fault.New(fault.Denied, errors.New("not accepted: send the token of a ServiceAccount or user that may get apps.fairlead.dev in the namespace, or that "+
	"an Environment there applies as; for the whole chain, of one that may get them in all namespaces"))

// admit bounds a query to what who sends these headers may see: of a namespace all records, or those of the environments that apply as who asks.
func (a *archive) admit(ctx context.Context, h http.Header, namespace string, q *history.Query) error {
	token := cmp.Or(h.Get(preview.TokenHeader), strings.TrimPrefix(h.Get("Authorization"), "Bearer "))
	if token == "" || len(token) > 16<<10 {
		return errNoRecords
	}
	user, err := a.guard.who(ctx, token)
	if err != nil {
		return err
	}
	if user == nil {
		return errNoRecords
	}
	if namespace != "" {
		q.Namespaces = []string{namespace}
	}
	all, err := a.guard.mayGetApps(ctx, user, namespace)
	if all || err != nil {
		return err
	}
	own, err := a.own(ctx, user, namespace)
	if err != nil || len(own) == 0 {
		return cmp.Or(err, errNoRecords)
	}
	if q.Environments == nil {
		q.Environments = own
		return nil
	}
	for _, e := range q.Environments {
		if !slices.Contains(own, e) {
			return errNoRecords
		}
	}
	return nil
}

// own are the environments of a namespace that apply as a user.
func (a *archive) own(ctx context.Context, user *authenticationv1.UserInfo, namespace string) ([]string, error) {
	if namespace == "" {
		return nil, nil
	}
	all, err := a.environments(ctx, namespace)
	if err != nil {
		return nil, fault.New(fault.Transient, err)
	}
	var own []string
	for i := range all {
		id := app.Identity{Namespace: namespace, ServiceAccount: cmp.Or(all[i].Spec.Destination.ServiceAccount, "default")}
		if id.User() == user.Username {
			own = append(own, all[i].Name)
		}
	}
	return own, nil
}
