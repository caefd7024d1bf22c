package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Access is how a registry or a chart repository is reached. It is never printed.
type Access struct {
	Username, Password string
	// Token is the identity token of an OCI registry, or the bearer token of a chart repository.
	Token string
	// Bearer is what an OCI registry is shown as it is: the registrytoken of a docker config.
	Bearer string
	CA     []byte // PEM certificates that sign the server's; the system's if empty
	// Insecure lets it be reached without TLS.
	Insecure bool

	// Who names who has this access, where that is the same whatever the credentials are; empty: the credentials do.
	Who string

	// Field names the Secret that this was read from, as errors say it; empty: spec.secretRef.
	Field string
}

func (a Access) field() string { return cmp.Or(a.Field, "spec.secretRef") }

// anonymous reports whether there are no credentials.
func (a Access) anonymous() bool {
	return a.Username == "" && a.Password == "" && a.Token == "" && a.Bearer == ""
}

// String says what there is, never what it is.
func (a Access) String() string {
	switch {
	case a.Token != "", a.Bearer != "":
		return "access(token)"
	case a.Password != "":
		return "access(password)"
	}
	return "access(none)"
}

// GoString is String.
func (a Access) GoString() string { return a.String() }

// Format prints String whatever the verb.
func (a Access) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, a.String()) }

// MarshalText makes encoders and structured logs print String.
func (a Access) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// id names who has this access: what one fetched is not another's to read.
func (a Access) id() string {
	if a.Who != "" {
		return digestOf(a.Who, fmt.Sprint(a.Insecure))
	}
	parts := []string{a.Username, a.Password, a.Token, string(a.CA), fmt.Sprint(a.Insecure)}
	if a.Bearer != "" {
		parts = append(parts, a.Bearer)
	}
	return digestOf(parts...)
}

// digestOf is equal for equal parts alone.
func digestOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// dockerConfig is the entry of a Secret of type kubernetes.io/dockerconfigjson.
const dockerConfig = ".dockerconfigjson"

// AccessOf reads the entries of a Secret, as they are for an address: `username` and `password`, `token` or `bearerToken`, `ca.crt` (or `caFile`), and
// `.dockerconfigjson`, of which the entry for the host is taken. No entries give no credentials. Errors are of kind fault.Invalid and hold none.
func AccessOf(entries map[string][]byte, url string) (Access, error) {
	text := func(names ...string) string {
		for _, n := range names {
			if v := strings.TrimSpace(string(entries[n])); v != "" {
				return v
			}
		}
		return ""
	}
	a := Access{Username: text("username"), Password: string(entries["password"]), Token: text("token", "bearerToken")}
	if a.CA = entries["ca.crt"]; len(a.CA) == 0 {
		a.CA = entries["caFile"]
	}
	config, ok := entries[dockerConfig]
	if !ok || !a.anonymous() {
		return a, nil
	}
	return fromDocker(a, config, hostOf(url))
}

// hostOf is the host of an address of a registry or repository, with its port.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func fromDocker(a Access, config []byte, host string) (Access, error) {
	var c struct {
		Auths map[string]struct {
			Username      string `json:"username"`
			Password      string `json:"password"`
			Auth          string `json:"auth"`
			IdentityToken string `json:"identitytoken"`
		} `json:"auths"`
	}
	if len(config) > 1<<20 || json.Unmarshal(config, &c) != nil { // its error would quote the file
		return Access{}, fault.Newf(fault.Invalid, "read %s of the Secret: it is not the JSON that docker login writes", dockerConfig)
	}
	for name, entry := range c.Auths {
		if dockerHost(name) != dockerHost(host) {
			continue
		}
		a.Username, a.Password, a.Token = entry.Username, entry.Password, entry.IdentityToken
		if a.Username == "" && a.Password == "" && entry.Auth != "" {
			both, err := base64.StdEncoding.DecodeString(entry.Auth)
			user, password, ok := strings.Cut(string(both), ":")
			if err != nil || !ok {
				return Access{}, fault.Newf(fault.Invalid, "read %s of the Secret: auth of %s is not the base64 of username:password", dockerConfig, host)
			}
			a.Username, a.Password = user, password
		}
		return a, nil
	}
	return Access{}, fault.Newf(fault.Invalid, "%s of the Secret has no entry for %s: add one with docker login, or name another Secret", dockerConfig, host)
}

// dockerHost is a host as docker means it: its own registry has many names.
func dockerHost(name string) string {
	if _, rest, ok := strings.Cut(name, "://"); ok {
		name = rest
	}
	host, _, _ := strings.Cut(name, "/")
	switch host {
	case "docker.io", "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return host
}
