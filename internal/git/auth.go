package git

import (
	"cmp"
	"fmt"
	"io"
)

// Auth is what a server wants to see. It is never printed.
type Auth struct {
	Username, Password string // basic auth
	BearerToken        string // goes before basic auth
	Identity           []byte // SSH private key
	Passphrase         []byte // of Identity
	KnownHosts         []byte // SSH host keys, as ssh-keyscan prints them
	CA                 []byte // PEM certificates that sign the server's; the system's if empty
	// Headers go along with each request over HTTP, as "Name: value". They take the place of others of their names.
	Headers []string

	// Field names the Secret that this was read from, as errors say it; empty: spec.secretRef.
	Field string
}

func (a Auth) field() string { return cmp.Or(a.Field, "spec.secretRef") }

// String says what there is, never what it is.
func (a Auth) String() string {
	switch {
	case len(a.Identity) > 0:
		return "auth(ssh key)"
	case a.BearerToken != "":
		return "auth(bearer token)"
	case a.Password != "":
		return "auth(password)"
	}
	return "auth(none)"
}

// GoString is String.
func (a Auth) GoString() string { return a.String() }

// Format prints String whatever the verb.
func (a Auth) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, a.String()) }

// MarshalText makes encoders and structured logs print String.
func (a Auth) MarshalText() ([]byte, error) { return []byte(a.String()), nil }
