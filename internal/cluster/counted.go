package cluster

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Counted returns a configuration of which told hears every request before it is sent, each attempt anew, whichever client sends it. The verb and the resource
// are those of the API server's rights ("patch", "apps/status"), but for three that are told apart: "apply" and "dry-run", which are patches there, and
// "discover", which has no resource. told must be safe for concurrent use and must not block.
func Counted(config *rest.Config, told func(verb, resource string)) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counter{next, told} })
	return config
}

type counter struct {
	next http.RoundTripper
	told func(verb, resource string)
}

// RoundTrip sends a request.
func (c counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.told(kindOf(r.Method, r.URL, r.Header.Get("Content-Type")))
	return c.next.RoundTrip(r)
}

// WrappedRoundTripper lets client-go find the transport below, to close its idle connections.
func (c counter) WrappedRoundTripper() http.RoundTripper { return c.next }

// kindOf says what a request asks for.
func kindOf(method string, u *url.URL, content string) (verb, resource string) {
	resource, named := resourceOf(u.Path)
	if resource == "" {
		return "discover", ""
	}
	query := u.Query()
	switch {
	case query.Get("dryRun") != "":
		return "dry-run", resource
	case method == http.MethodGet && query.Get("watch") == "true":
		return "watch", resource
	case method == http.MethodGet && named:
		return "get", resource
	case method == http.MethodGet:
		return "list", resource
	case method == http.MethodPatch && content == string(types.ApplyPatchType):
		return "apply", resource
	case method == http.MethodPost:
		return "create", resource
	case method == http.MethodPut:
		return "update", resource
	case method == http.MethodDelete && !named:
		return "deletecollection", resource
	}
	return strings.ToLower(method), resource
}

// resourceOf reads …/api/VERSION/… and …/apis/GROUP/VERSION/…; the resource is empty for a path that is about none. named says that it is about one object.
func resourceOf(path string) (resource string, named bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	i := slices.IndexFunc(parts, func(p string) bool { return p == "api" || p == "apis" })
	if i < 0 {
		return "", false
	}
	skip := 2
	if parts[i] == "apis" {
		skip = 3
	}
	parts = parts[min(i+skip, len(parts)):]
	if len(parts) > 2 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize" {
		parts = parts[2:]
	}
	switch len(parts) {
	case 0:
		return "", false
	case 1, 2:
		return parts[0], len(parts) == 2
	}
	return parts[0] + "/" + parts[2], true
}
