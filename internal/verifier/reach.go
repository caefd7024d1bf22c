package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

// mostBody bounds what is read of an answer, in bytes.
const mostBody = 1 << 20

// reach is the API server, as one identity sees it.
type reach struct {
	user    string
	base    *url.URL
	client  *http.Client // follows no redirect
	objects dynamic.Interface
}

// reaches are kept: what they cost is a connection.
type reaches struct {
	as func(app.Identity) *rest.Config

	mu   sync.Mutex
	byID map[app.Identity]*reach
}

func (r *reaches) of(id app.Identity) (*reach, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.byID[id]; x != nil {
		return x, nil
	}
	config := rest.CopyConfig(r.as(id))
	config.QPS = -1
	base, _, err := rest.DefaultServerURL(config.Host, "", schema.GroupVersion{}, config.CAFile != "" || len(config.CAData) > 0 || config.Insecure)
	if err != nil {
		return nil, fmt.Errorf("address of the API server: %w", err)
	}
	shared, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("prepare client: %w", err)
	}
	objects, err := dynamic.NewForConfigAndClient(config, shared)
	if err != nil {
		return nil, fmt.Errorf("prepare client: %w", err)
	}
	client := *shared
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	x := &reach{user: id.User(), base: base, client: &client, objects: objects}
	if r.byID == nil {
		r.byID = map[app.Identity]*reach{}
	}
	r.byID[id] = x
	return x, nil
}

// get asks the API server for a path, which may have a query.
func (x *reach) get(ctx context.Context, path string) verify.Answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(x.base.String(), "/")+path, nil)
	if err != nil {
		return verify.Answer{Unasked: "the path is not valid"}
	}
	a := send(x.client, req)
	if a.Silent != "" { // it is the API server that is silent
		a.Unasked, a.Silent = "the API server: "+a.Silent, ""
	}
	return a
}

// proxied asks a Service or a Pod, called kind, through the API server.
func (x *reach) proxied(ctx context.Context, kind, namespace, name, port, scheme, path string) verify.Answer {
	at := fmt.Sprintf("/api/v1/namespaces/%s/%s/%s:%s:%s/proxy", url.PathEscape(namespace), kind, scheme, url.PathEscape(name), url.PathEscape(port))
	a := x.get(ctx, at+path)
	if a.Unasked != "" {
		return a
	}
	var status metav1.Status
	if a.Status < 400 || json.Unmarshal(a.Body, &status) != nil || status.Kind != "Status" || status.APIVersion != "v1" || status.Status != metav1.StatusFailure {
		return a // it is the app's
	}
	switch said := status.Message; {
	case status.Reason == metav1.StatusReasonForbidden && strings.Contains(said, "cannot get resource"):
		a.Unasked = fmt.Sprintf("%s may not get %s/proxy in namespace %s", x.user, kind, namespace)
	case status.Reason == metav1.StatusReasonNotFound && status.Details != nil && status.Details.Name == name:
		a.Silent = "it does not exist"
	case status.Reason == metav1.StatusReasonServiceUnavailable && strings.Contains(said, "no endpoints available"):
		a.Silent = "no Pod is ready behind it"
	case status.Reason == metav1.StatusReasonServiceUnavailable && strings.HasPrefix(said, "error trying to reach service: "):
		a.Silent = strings.TrimPrefix(said, "error trying to reach service: ")
	case status.Reason == metav1.StatusReasonServiceUnavailable && strings.Contains(said, "port"):
		a.Silent = said
	default:
		a.Unasked = "the API server: " + said
	}
	return a
}

// send sends a request, and reads what is read of its answer. Errors name no address: a query may be a secret.
func send(client *http.Client, req *http.Request) verify.Answer {
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return mute(req.Context(), err, time.Since(began))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostBody+1))
	took := time.Since(began)
	if err != nil {
		return mute(req.Context(), err, took)
	}
	a := verify.Answer{Status: resp.StatusCode, Header: textproto.MIMEHeader(resp.Header), Body: body, Took: took}
	if len(body) > mostBody {
		a.Body, a.Cut = body[:mostBody], true
	}
	return a
}

// mute is an answer that did not come.
func mute(ctx context.Context, err error, took time.Duration) verify.Answer {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	var refused *notAskedError
	switch {
	case errors.As(err, &refused):
		return verify.Answer{Unasked: refused.Error()}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return verify.Answer{Silent: "nothing came within " + took.Round(time.Millisecond).String(), Took: took}
	}
	return verify.Answer{Silent: err.Error(), Took: took}
}
