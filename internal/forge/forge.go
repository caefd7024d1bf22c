package forge

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// State is how a commit fares.
type State string

// The states. A commit that is pending becomes one of the others.
const (
	Pending State = "pending"
	Success State = "success"
	Failure State = "failure"
)

// Status is what is said of a commit. The newest of a context is the one that counts.
type Status struct {
	Context     string // who says it, and of what: "fairlead/production/web"
	State       State
	Description string // one line; it is cut to what the forge takes
	Link        string // may be empty
}

// Kind is a sort of forge.
type Kind string

// The kinds. Forgejo is a Gitea.
const (
	GitHub Kind = "GitHub"
	GitLab Kind = "GitLab"
	Gitea  Kind = "Gitea"
)

// Options say which forge, and of which repository it is told.
type Options struct {
	Kind       Kind   // empty: github.com and gitlab.com are known by their names
	Repository string // the URL that is fetched from, https or ssh
	Path       string // such as "shop/config"; empty: as Repository has it
	API        string // where the interface is; empty: where the forge has it on the host of Repository
	Token      string
	CA         []byte            // PEM bundle that signs the server; empty: that of the machine
	Transport  http.RoundTripper // nil: the usual one
}

// dialect is what a forge wants to hear.
type dialect struct {
	api     func(host string) string
	auth    func(h http.Header, token string)
	post    func(repo, commit string) string
	list    func(repo, commit, context string) string
	checks  func(repo, commit, name string) string // nil: there are none but statuses
	body    func(Status) any
	longest int // characters of a description
	// settled recognises the answer to a status that is there already.
	settled func(code int, said string) bool
}

// Client tells one forge about one repository. It is safe for concurrent use.
type Client struct {
	d          dialect
	api, repo  string
	host       string
	token      string
	kind       Kind
	httpClient http.Client
}

// timeout bounds one exchange.
const timeout = 30 * time.Second

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// Open checks the options. It asks nobody. Errors are of kind fault.Invalid.
func Open(o Options) (*Client, error) {
	host, repo, err := split(o.Repository)
	if err != nil {
		return nil, err
	}
	repo = cmp.Or(o.Path, repo)
	if owner, name, ok := strings.Cut(repo, "/"); !ok || owner == "" || name == "" {
		return nil, fault.Newf(fault.Invalid, "the URL of the repository has no path of the form owner/name: say what the forge calls the repository")
	}
	kind := o.Kind
	if kind == "" {
		kind = map[string]Kind{"github.com": GitHub, "gitlab.com": GitLab, "codeberg.org": Gitea}[host]
	}
	d, ok := dialects()[kind]
	if !ok {
		return nil, fault.Newf(fault.Invalid, "which forge is at %s? Say GitHub, GitLab or Gitea", host)
	}
	api := strings.TrimSuffix(o.API, "/")
	if api == "" {
		api = d.api(host)
	}
	u, err := url.Parse(api)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil, fault.Newf(fault.Invalid, "the address of the forge's interface is not of the form https://host/path")
	}
	if o.Token == "" || strings.ContainsAny(o.Token, "\r\n") {
		return nil, fault.Newf(fault.Invalid, "there is no token for %s", kind)
	}
	c := &Client{d: d, api: api, repo: repo, host: u.Host, token: o.Token, kind: kind}
	c.httpClient = http.Client{Timeout: timeout, Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if len(o.CA) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(o.CA) {
			return nil, fault.Newf(fault.Invalid, "the CA bundle holds no certificate")
		}
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		c.httpClient.Transport = t
	}
	return c, nil
}

// split returns the host of a repository and its path, such as "shop/config".
func split(repository string) (host, path string, err error) {
	text := repository
	if !strings.Contains(text, "://") { // user@host:path
		at, rest, ok := strings.Cut(text, ":")
		if !ok {
			return "", "", fault.Newf(fault.Invalid, "the URL of the repository names no host")
		}
		text = "ssh://" + at + "/" + rest
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return "", "", fault.Newf(fault.Invalid, "the URL of the repository names no host")
	}
	path = strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
	host = u.Host
	if u.Scheme == "ssh" {
		host = u.Hostname() // the port is that of SSH
	}
	return host, path, nil
}

// Tell says how a commit fares. Errors are of kind fault.Denied where the token is not accepted, fault.Invalid where the forge does not know the repository or
// the commit or does not take the status, and fault.Transient otherwise; fault.After says for how long a busy forge wants to be left alone.
func (c *Client) Tell(ctx context.Context, commit string, s Status) error {
	s.Description = shorten(s.Description, c.d.longest)
	body, err := json.Marshal(c.d.body(s))
	if err != nil {
		return fmt.Errorf("encode status of %s: %w", commit, err)
	}
	if _, err := c.ask(ctx, http.MethodPost, c.d.post(c.repo, commit), body); err != nil {
		return fmt.Errorf("tell %s of commit %s: %w", c.kind, commit[:min(8, len(commit))], err)
	}
	return nil
}

// Told returns the newest status of a context; false if there is none. Errors are those of Tell.
func (c *Client) Told(ctx context.Context, commit, context string) (Status, bool, error) {
	data, err := c.ask(ctx, http.MethodGet, c.d.list(c.repo, commit, context), nil)
	var list []said
	if err == nil {
		if err = json.Unmarshal(data, &list); err != nil {
			err = fault.Newf(fault.Transient, "the answer is not what %s answers", c.kind)
		}
	}
	if err != nil {
		return Status{}, false, fmt.Errorf("ask %s about commit %s: %w", c.kind, commit[:min(8, len(commit))], err)
	}
	newest := -1
	for i, x := range list {
		if x.context() == context && (newest < 0 || x.ID > list[newest].ID) {
			newest = i
		}
	}
	if newest < 0 {
		return Status{}, false, nil
	}
	x := list[newest]
	return Status{Context: context, State: x.state(), Description: x.Description, Link: x.Link}, true, nil
}

// said is a status as any of the forges tells it.
type said struct {
	ID          int64  `json:"id"`
	State       string `json:"state"`  // GitHub
	Status      string `json:"status"` // GitLab, Gitea
	Name        string `json:"name"`   // GitLab
	Context     string `json:"context"`
	Description string `json:"description"`
	Link        string `json:"target_url"`
}

func (s said) context() string { return s.Context + s.Name }

func (s said) state() State {
	switch s.State + s.Status {
	case "success", "warning":
		return Success
	case "failure", "failed", "error", "canceled":
		return Failure
	}
	return Pending
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.api+path, bytes.NewReader(body))
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "the address of the forge cannot be used")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "fairlead")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	c.d.auth(req.Header, c.token)
	resp, err := c.httpClient.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the URL says nothing that the host does not
		}
		return nil, fault.New(fault.Transient, fmt.Errorf("%s cannot be reached: %w", c.host, err))
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fault.New(fault.Transient, fmt.Errorf("%s broke off: %w", c.host, err))
	case len(data) > maxAnswer:
		return nil, fault.Newf(fault.Invalid, "the answer of %s is larger than %d MiB", c.host, maxAnswer>>20)
	case resp.StatusCode/100 == 2:
		return data, nil
	case c.d.settled != nil && c.d.settled(resp.StatusCode, string(data)):
		return nil, nil
	}
	return nil, c.refusal(resp, data)
}

// refusal is what an answer means.
func (c *Client) refusal(resp *http.Response, data []byte) error {
	var body struct {
		Message any `json:"message"`
		Error   any `json:"error"`
	}
	_ = json.Unmarshal(data, &body)
	why := ""
	for _, m := range []any{body.Message, body.Error} {
		if m != nil && why == "" {
			why = ": " + shorten(strings.Join(strings.Fields(fmt.Sprint(m)), " "), 200)
		}
	}
	why = strings.ReplaceAll(why, c.token, "…")
	code := resp.StatusCode
	wait := busy(resp)
	switch {
	case wait > 0 || code == http.StatusTooManyRequests:
		return &fault.Error{Kind: fault.Transient, Err: fmt.Errorf("%s asks to be left alone (%d)", c.host, code), After: max(wait, time.Minute)}
	case code == http.StatusUnauthorized:
		return fault.Newf(fault.Denied, "%s does not accept the token (401)%s", c.host, why)
	case code == http.StatusForbidden:
		may := map[bool]string{true: "set", false: "read"}[resp.Request.Method == http.MethodPost]
		return fault.Newf(fault.Denied, "the token may not %s statuses of %s (403)%s", may, c.repo, why)
	case code == http.StatusNotFound:
		return fault.Newf(fault.Invalid, "%s knows no such repository or commit, or the token may not see it (404)%s", c.host, why)
	case code/100 == 3:
		return fault.Newf(fault.Invalid, "%s is elsewhere (%d): write its new address into the Repository", c.repo, code)
	case code/100 == 4:
		return fault.Newf(fault.Invalid, "%s does not take it (%d)%s", c.host, code, why)
	}
	return fault.Newf(fault.Transient, "%s answers %d%s", c.host, code, why)
}

// longestWait bounds for how long a forge may ask to be left alone.
const longestWait = time.Hour

// busy is for how long a forge asks to be left alone; 0 if it does not.
func busy(resp *http.Response) time.Duration {
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, longestWait)
	}
	for _, name := range []string{"X-Ratelimit-", "Ratelimit-"} { // GitHub, GitLab
		at, err := strconv.ParseInt(resp.Header.Get(name+"Reset"), 10, 64)
		date, dateErr := http.ParseTime(resp.Header.Get("Date"))
		if resp.Header.Get(name+"Remaining") == "0" && err == nil && dateErr == nil {
			return min(max(time.Unix(at, 0).Sub(date), time.Second), longestWait)
		}
	}
	return 0
}

// shorten cuts a text to so many characters.
func shorten(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}
