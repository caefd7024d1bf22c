package cluster

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/pace"
)

// Paced returns a configuration whose requests, from whichever client, go through a gate: what is done to objects first, and then what is only written down
// about it. Watches and the Lease are always let through: the one would hold its place for ever, the other must never be late.
func Paced(config *rest.Config, gate *pace.Gate) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return paced{next, gate} })
	return config
}

type paced struct {
	next http.RoundTripper
	gate *pace.Gate
}

// RoundTrip sends a request when its turn has come.
func (p paced) RoundTrip(r *http.Request) (*http.Response, error) {
	verb, resource := kindOf(r.Method, r.URL, r.Header.Get("Content-Type"))
	if verb == "watch" || resource == "leases" {
		return p.next.RoundTrip(r)
	}
	late := canWait(verb, resource)
	if err := p.gate.Enter(r.Context(), late); err != nil {
		return nil, err
	}
	began := time.Now()
	resp, err := p.next.RoundTrip(r)
	p.gate.Leave(late, how(verb, resp, err), time.Since(began))
	return resp, err
}

// WrappedRoundTripper lets client-go find the transport below, to close its idle connections.
func (p paced) WrappedRoundTripper() http.RoundTripper { return p.next }

// canWait reports whether a request only writes down how things stand.
func canWait(verb, resource string) bool {
	return resource == "events" || verb == "patch" && strings.HasSuffix(resource, "/status") || verb == "create" && resource == "apps"
}

func how(verb string, resp *http.Response, err error) pace.How {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return pace.Refused
	case err != nil:
		return pace.Served
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusServiceUnavailable, resp.StatusCode == http.StatusGatewayTimeout:
		return pace.Refused
	case verb == "apply" && resp.StatusCode < http.StatusMultipleChoices:
		return pace.Typical
	}
	return pace.Served
}
