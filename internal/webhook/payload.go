package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// parseGitHub reads the payload that GitHub made and Gitea and Forgejo took over.
func parseGitHub(eventHeader string) func(http.Header, []byte) (Push, error) {
	return func(header http.Header, body []byte) (Push, error) {
		switch header.Get(eventHeader) {
		case "push", "create", "delete":
		case "":
			return Push{}, fmt.Errorf("header %s is missing", eventHeader)
		default:
			return Push{Ping: true}, nil
		}
		var p struct {
			Ref        string `json:"ref"`
			RefType    string `json:"ref_type"`
			Repository struct {
				CloneURL string `json:"clone_url"`
				SSHURL   string `json:"ssh_url"`
				HTMLURL  string `json:"html_url"`
			} `json:"repository"`
		}
		if err := decode(body, &p); err != nil {
			return Push{}, err
		}
		// The events create and delete give the short name and its kind.
		switch p.RefType {
		case "branch":
			p.Ref = fullRef("refs/heads/", p.Ref)
		case "tag":
			p.Ref = fullRef("refs/tags/", p.Ref)
		}
		return newPush([]string{p.Ref}, p.Repository.CloneURL, p.Repository.SSHURL, p.Repository.HTMLURL)
	}
}

func fullRef(prefix, name string) string {
	if name == "" || strings.HasPrefix(name, "refs/") {
		return name
	}
	return prefix + name
}

func parseGitLab(header http.Header, body []byte) (Push, error) {
	switch header.Get("X-Gitlab-Event") {
	case "Push Hook", "Tag Push Hook", "System Hook":
	default:
		return Push{Ping: true}, nil
	}
	var p struct {
		Ref     string `json:"ref"`
		Project struct {
			HTTP string `json:"git_http_url"`
			SSH  string `json:"git_ssh_url"`
			Web  string `json:"web_url"`
		} `json:"project"`
	}
	if err := decode(body, &p); err != nil {
		return Push{}, err
	}
	return newPush([]string{p.Ref}, p.Project.HTTP, p.Project.SSH, p.Project.Web)
}

// bitbucketRef is a branch or tag, as Bitbucket Cloud names it by type and Server by id.
type bitbucketRef struct {
	Type string `json:"type"`
	Name string `json:"name"`
	ID   string `json:"id"`
}

func (r bitbucketRef) full() string {
	switch {
	case r.ID != "":
		return r.ID
	case r.Name == "":
		return ""
	case r.Type == "tag" || r.Type == "annotated_tag":
		return "refs/tags/" + r.Name
	}
	return "refs/heads/" + r.Name
}

// bitbucketLink is {"href": …} or, for the ways to clone, a list of those.
type bitbucketLink []string

// UnmarshalJSON reads either form.
func (l *bitbucketLink) UnmarshalJSON(data []byte) error {
	type link struct {
		Href string `json:"href"`
	}
	var many []link
	if err := json.Unmarshal(data, &many); err != nil {
		var one link
		if err := json.Unmarshal(data, &one); err != nil {
			return err
		}
		many = []link{one}
	}
	for _, m := range many {
		*l = append(*l, m.Href)
	}
	return nil
}

func parseBitbucket(header http.Header, body []byte) (Push, error) {
	switch header.Get("X-Event-Key") {
	case "repo:push", "repo:refs_changed":
	default:
		return Push{Ping: true}, nil
	}
	var p struct {
		Push struct { // Cloud
			Changes []struct{ New, Old *bitbucketRef } `json:"changes"`
		} `json:"push"`
		Changes []struct { // Server
			Ref bitbucketRef `json:"ref"`
		} `json:"changes"`
		Repository struct {
			Links struct {
				HTML, Self, Clone bitbucketLink
			} `json:"links"`
		} `json:"repository"`
	}
	if err := decode(body, &p); err != nil {
		return Push{}, err
	}
	var refs []string
	for _, c := range p.Push.Changes {
		if c.New == nil {
			c.New = c.Old // deleted
		}
		if c.New != nil {
			refs = append(refs, c.New.full())
		}
	}
	for _, c := range p.Changes {
		refs = append(refs, c.Ref.full())
	}
	links := p.Repository.Links
	return newPush(refs, append(append(links.Clone, links.HTML...), links.Self...)...)
}

// parseGeneric reads {"ref": "refs/heads/main", "url": "https://…"}; both may be absent, as may be the body.
func parseGeneric(_ http.Header, body []byte) (Push, error) {
	var p struct {
		Ref  string   `json:"ref"`
		Refs []string `json:"refs"`
		URL  string   `json:"url"`
	}
	if len(strings.TrimSpace(string(body))) > 0 {
		if err := decode(body, &p); err != nil {
			return Push{}, err
		}
	}
	return newPush(append(p.Refs, p.Ref), p.URL)
}

// eventsType is the type of the notifications that registries send (Docker Distribution).
const eventsType = "application/vnd.docker.distribution.events.v1+json"

// parseBearer reads what comes with a bearer token: the notification of a registry, or the generic payload.
func parseBearer(header http.Header, body []byte) (Push, error) {
	if kind, _, _ := mime.ParseMediaType(header.Get("Content-Type")); kind != eventsType {
		return parseGeneric(header, body)
	}
	var p struct {
		Events []struct {
			Action string `json:"action"`
			Target struct {
				Repository string `json:"repository"`
				Tag        string `json:"tag"`
			} `json:"target"`
		} `json:"events"`
	}
	if err := decode(body, &p); err != nil {
		return Push{}, err
	}
	out := Push{Provider: "registry", Ping: true}
	for _, e := range p.Events {
		if e.Action != "push" && e.Action != "delete" || e.Target.Repository == "" || !printable(e.Target.Repository) {
			continue
		}
		out.Ping = false
		if !slices.Contains(out.Names, e.Target.Repository) {
			out.Names = append(out.Names, e.Target.Repository)
		}
		if tag := "refs/tags/" + e.Target.Tag; e.Target.Tag != "" && printable(tag) {
			out.Refs = append(out.Refs, tag)
		}
	}
	return out, nil
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return errors.New("the body is not the JSON that this sender writes (set the content type to application/json)")
	}
	return nil
}

// newPush keeps the refs and URLs that may be such, without credentials.
func newPush(refs []string, urls ...string) (Push, error) {
	var p Push
	for _, r := range refs {
		if r == "" {
			continue
		}
		if !strings.HasPrefix(r, "refs/") || !printable(r) {
			return Push{}, fmt.Errorf("%.100q is no full ref name", r)
		}
		p.Refs = append(p.Refs, r)
	}
	for _, u := range urls {
		if u = withoutUser(u); u != "" {
			p.URLs = append(p.URLs, u)
		}
	}
	return p, nil
}

// withoutUser drops a password from a URL; empty if it is none. The form user@host:path stays as it is.
func withoutUser(text string) string {
	if !printable(text) {
		return ""
	}
	if !strings.Contains(text, "://") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	if u.Scheme == "ssh" && u.User != nil {
		u.User = url.User(u.User.Username())
	} else {
		u.User = nil
	}
	return u.String()
}

func printable(text string) bool {
	return len(text) <= 2048 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\uFFFD' })
}
