package webhook

import (
	"net/url"
	"slices"
	"strings"
)

// Concerns says whether the push may be about the repository at that URL: one of its own URLs is the same but for
// scheme, user, port, case of the host and the ending .git. A push that names no repository concerns every one.
func (p Push) Concerns(repository string) bool {
	if len(p.URLs) == 0 && len(p.Names) == 0 {
		return true
	}
	want := place(repository)
	if _, path, _ := strings.Cut(want, "/"); slices.Contains(p.Names, path) {
		return true
	}
	for _, u := range p.URLs {
		if place(u) == want {
			return true
		}
	}
	return false
}

// place is host and path of a URL or of user@host:path.
func place(text string) string {
	var host, path string
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		host, path = u.Hostname(), u.Path
	} else {
		_, rest, _ := strings.Cut(text, "@")
		host, path, _ = strings.Cut(rest, ":")
	}
	return strings.ToLower(host) + "/" + strings.TrimSuffix(strings.Trim(path, "/"), ".git")
}
