package git

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// address is a parsed repository URL.
type address struct {
	scheme string // http, https or ssh
	user   string // of SSH
	host   string // with its port if it is not the scheme's
	path   string // as the server is asked for it
}

// parseURL reads https://, http:// and ssh:// URLs and user@host:path.
func parseURL(text string) (address, error) {
	if len(text) > 2048 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return address{}, fault.Newf(fault.Invalid, "parse repository URL: it holds blanks or is too long")
	}
	if !strings.Contains(text, "://") {
		return parseSCP(text)
	}
	u, err := url.Parse(text)
	if err != nil {
		// The error of url.Parse quotes the URL, which may hold credentials.
		return address{}, fault.Newf(fault.Invalid, "parse repository URL: it is malformed")
	}
	a := address{scheme: u.Scheme, host: u.Host, path: strings.TrimSuffix(u.EscapedPath(), "/")}
	if err := a.check(u); err != nil {
		return address{}, err
	}
	if a.scheme == "ssh" {
		a.user = u.User.Username()
		if a.user == "" {
			a.user = "git"
		}
		a.path = strings.TrimSuffix(u.Path, "/")
		if strings.HasPrefix(a.path, "/~") {
			a.path = a.path[1:]
		}
	}
	return a, a.checkSSH()
}

func (a address) check(u *url.URL) error {
	password, hasPassword := u.User.Password()
	_ = password
	switch {
	case a.scheme != "http" && a.scheme != "https" && a.scheme != "ssh":
		return fault.Newf(fault.Invalid, "parse repository URL: scheme %q is none of https, http, ssh", a.scheme)
	case hasPassword || u.User != nil && a.scheme != "ssh":
		return fault.Newf(fault.Invalid, "parse repository URL: it holds credentials; put them into a Secret (keys username and password)")
	case u.Hostname() == "" || a.path == "":
		return fault.Newf(fault.Invalid, "parse repository URL: host or path is missing")
	case u.RawQuery != "" || u.Fragment != "":
		return fault.Newf(fault.Invalid, "parse repository URL: it has a query or a fragment")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fault.Newf(fault.Invalid, "parse repository URL: port %q is no port", port)
		}
	}
	return nil
}

// parseSCP reads user@host:path, where a path without a leading slash starts at the user's home.
func parseSCP(text string) (address, error) {
	user, rest, ok := strings.Cut(text, "@")
	host, path, found := strings.Cut(rest, ":")
	if strings.HasPrefix(rest, "[") { // an IPv6 address
		host, path, found = strings.Cut(rest[1:], "]:")
	}
	if !ok || !found || user == "" || host == "" || path == "" || strings.ContainsAny(user+host, "/:") && net.ParseIP(host) == nil {
		return address{}, fault.Newf(fault.Invalid, "parse repository URL: it is neither https://, http://, ssh:// nor user@host:path")
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	a := address{scheme: "ssh", user: user, host: host, path: path}
	return a, a.checkSSH()
}

// checkSSH refuses what a shell or ssh on the other side could take for more than a path.
func (a address) checkSSH() error {
	if a.scheme == "ssh" && (strings.HasPrefix(a.path, "-") || strings.ContainsAny(a.path, "'\\\x00") || strings.HasPrefix(a.host, "-") || strings.HasPrefix(a.user, "-")) {
		return fault.Newf(fault.Invalid, "parse repository URL: user, host or path holds a character that is not allowed with ssh")
	}
	return nil
}

// String is the URL without credentials.
func (a address) String() string {
	if a.scheme != "ssh" {
		return a.scheme + "://" + a.host + a.path
	}
	return "ssh://" + a.user + "@" + a.host + "/" + strings.TrimPrefix(a.path, "/")
}
