package cluster

import (
	"net/http"
	"strings"

	"k8s.io/client-go/rest"
)

// Guarded returns a configuration whose requests, from whichever client, write something only if allowed returns nil: it is asked just before a request is sent.
// The Lease itself, and questions that are asked by a create, are always let through.
func Guarded(config *rest.Config, allowed func() error) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return guarded{next, allowed} })
	return config
}

type guarded struct {
	next    http.RoundTripper
	allowed func() error
}

// RoundTrip sends a request if it may be sent.
func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if verb, resource := kindOf(r.Method, r.URL, r.Header.Get("Content-Type")); writes(verb, resource) {
		if err := g.allowed(); err != nil {
			return nil, err
		}
	}
	return g.next.RoundTrip(r)
}

// WrappedRoundTripper lets client-go find the transport below, to close its idle connections.
func (g guarded) WrappedRoundTripper() http.RoundTripper { return g.next }

func writes(verb, resource string) bool {
	switch verb {
	case "get", "list", "watch", "discover", "dry-run":
		return false
	}
	return resource != "leases" && !strings.HasSuffix(resource, "reviews")
}
