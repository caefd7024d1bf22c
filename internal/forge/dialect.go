package forge

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

func dialects() map[Kind]dialect {
	type common struct {
		State       string `json:"state"`
		Context     string `json:"context,omitempty"`
		Name        string `json:"name,omitempty"`
		Description string `json:"description,omitempty"`
		Link        string `json:"target_url,omitempty"`
	}
	same := func(s Status) any {
		return common{State: string(s.State), Context: s.Context, Description: s.Description, Link: s.Link}
	}
	return map[Kind]dialect{
		GitHub: {
			api: func(host string) string {
				if host == "github.com" {
					return "https://api.github.com"
				}
				return "https://" + host + "/api/v3" // GitHub Enterprise Server
			},
			auth: func(h http.Header, token string) {
				h.Set("Authorization", "Bearer "+token)
				h.Set("X-Github-Api-Version", "2022-11-28")
			},
			post: func(repo, commit string) string { return "/repos/" + escape(repo) + "/statuses/" + commit },
			list: func(repo, commit, _ string) string {
				return "/repos/" + escape(repo) + "/commits/" + commit + "/statuses?per_page=100"
			},
			checks:  githubChecks,
			body:    same,
			longest: 140,
		},
		GitLab: {
			api:  func(host string) string { return "https://" + host + "/api/v4" },
			auth: func(h http.Header, token string) { h.Set("Private-Token", token) },
			post: func(repo, commit string) string { return "/projects/" + url.PathEscape(repo) + "/statuses/" + commit },
			list: func(repo, commit, context string) string {
				return "/projects/" + url.PathEscape(repo) + "/repository/commits/" + commit + "/statuses?per_page=100&all=true&name=" + url.QueryEscape(context)
			},
			body: func(s Status) any {
				state := string(s.State)
				if s.State == Failure {
					state = "failed"
				}
				return common{State: state, Name: s.Context, Description: s.Description, Link: s.Link}
			},
			longest: 255,
			// GitLab keeps a status as a job; older ones refuse to let it go from a state to the same.
			settled: func(code int, said string) bool { return code == http.StatusBadRequest && toTheSame.MatchString(said) },
		},
		Gitea: {
			api:  func(host string) string { return "https://" + host + "/api/v1" },
			auth: func(h http.Header, token string) { h.Set("Authorization", "token "+token) },
			post: func(repo, commit string) string { return "/repos/" + escape(repo) + "/statuses/" + commit },
			list: func(repo, commit, _ string) string {
				return "/repos/" + escape(repo) + "/commits/" + commit + "/statuses?sort=highestindex&limit=50"
			},
			body:    same,
			longest: 255,
		},
	}
}

var toTheSame = regexp.MustCompile(`Cannot transition status via :(enqueue from :pending|(succeed|success) from :success|drop from :failed)`)

// escape is a path whose elements are escaped.
func escape(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
