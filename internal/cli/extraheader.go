package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"
)

// extraHeaders are those that the user's own git sends to an address: http.extraHeader and http.<url>.extraHeader of its configuration.
func (l logins) extraHeaders(ctx context.Context, address *url.URL) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "config", "--null", "--get-regexp", `^http\.(.*\.)?extraheader$`)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.As(err, &exit) && exit.ExitCode() == 1: // which is how git says that there is none
		return nil, nil
	case exit != nil:
		return nil, fmt.Errorf("git config: %.300s", strings.Join(strings.Fields(string(exit.Stderr)), " "))
	case err != nil:
		return nil, fmt.Errorf("git config: %w", err)
	}
	return headersFor(string(out), address), nil
}

// headersFor are the headers for an address, of what git config prints with --null. As with git a setting counts unless an earlier one was of an address that
// fits better, and an empty one takes all before it away.
func headersFor(config string, address *url.URL) []string {
	var out []string
	var best fit
	for entry := range strings.SplitSeq(config, "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		of := strings.TrimSuffix(strings.TrimPrefix(key, "http."), "extraheader")
		is, fits := fit{}, key != ""
		if of != "" {
			is, fits = fitOf(strings.TrimSuffix(of, "."), address)
		}
		switch {
		case !fits || is.compare(best) < 0:
			continue
		case value == "":
			out = nil
		default:
			out = append(out, value)
		}
		best = is
	}
	return out
}

// fit is how well an address of git's configuration fits.
type fit struct {
	host, path int
	user       bool
}

func (f fit) compare(g fit) int {
	users := map[bool]int{true: 1}
	return cmp.Or(cmp.Compare(f.host, g.host), cmp.Compare(f.path, g.path), cmp.Compare(users[f.user], users[g.user]))
}

// fitOf compares as git does: a * stands for one element of a host's name, and a path for all below it.
func fitOf(pattern string, address *url.URL) (fit, bool) {
	p, err := url.Parse(pattern)
	if err != nil || !strings.EqualFold(p.Scheme, address.Scheme) || portOf(p) != portOf(address) {
		return fit{}, false
	}
	if p.User != nil && (address.User == nil || p.User.Username() != address.User.Username()) {
		return fit{}, false
	}
	want, host := strings.Split(strings.ToLower(p.Hostname()), "."), strings.Split(strings.ToLower(address.Hostname()), ".")
	if len(want) != len(host) {
		return fit{}, false
	}
	for i, part := range want {
		if part != "*" && part != host[i] {
			return fit{}, false
		}
	}
	dir, at := strings.TrimSuffix(path.Clean("/"+p.Path), "/")+"/", strings.TrimSuffix(path.Clean("/"+address.Path), "/")+"/"
	if !strings.HasPrefix(at, dir) {
		return fit{}, false
	}
	return fit{host: len(p.Hostname()), path: len(dir), user: p.User != nil}, true
}

func portOf(u *url.URL) string {
	return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)])
}

// logsIn reports whether one of the headers says who asks.
func logsIn(headers []string) bool {
	for _, h := range headers {
		if name, _, _ := strings.Cut(h, ":"); strings.EqualFold(strings.TrimSpace(name), "Authorization") {
			return true
		}
	}
	return false
}
