package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fairlead-cd/fairlead/internal/git"
)

// Variables that hold what must not be on a command line, where everybody on the machine can read it.
const (
	envPassword = "FAIRLEAD_GIT_PASSWORD"
	envToken    = "FAIRLEAD_GIT_TOKEN"
)

// credentials are the flags that say how a Git server lets in.
type credentials struct {
	username, identity, knownHosts, ca string
}

func (c *credentials) flags(f *pflag.FlagSet) {
	f.StringVar(&c.username, "username", "", "user of the Git server; its password or token is read from $"+envPassword)
	f.StringVar(&c.identity, "identity", "", "file of an SSH private key; its passphrase is read from $"+envPassword)
	f.StringVar(&c.knownHosts, "known-hosts", "", "file of the SSH host keys of the Git server, as ssh-keyscan prints them")
	f.StringVar(&c.ca, "ca", "", "file of the PEM certificates that sign the Git server's (default: the system's)")
}

// read reads what the flags and the environment name.
func (c *credentials) read(w IO, url string) (git.Auth, error) {
	a := git.Auth{Username: c.username, BearerToken: w.Getenv(envToken)}
	for _, f := range []struct {
		flag, file string
		into       *[]byte
	}{{"identity", c.identity, &a.Identity}, {"known-hosts", c.knownHosts, &a.KnownHosts}, {"ca", c.ca, &a.CA}} {
		if f.file == "" {
			continue
		}
		data, err := os.ReadFile(f.file)
		if err != nil {
			return a, fmt.Errorf("--%s: %w", f.flag, err)
		}
		*f.into = data
	}
	password := w.Getenv(envPassword)
	http := strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")
	switch {
	case http && len(a.Identity) > 0:
		return a, usagef("--identity is for SSH, and %s is not", url)
	case !http && (a.Username != "" || a.BearerToken != ""):
		return a, usagef("--username and $%s are for HTTPS, and %s is not: use --identity and --known-hosts", envToken, url)
	case !http && len(a.Identity) > 0 && len(a.KnownHosts) == 0:
		return a, usagef("--known-hosts is missing: without it, who answers cannot be told from somebody else; ssh-keyscan prints it")
	case a.Username != "" && password == "":
		return a, usagef("the password of %s is missing: put it, or a token, into $%s", a.Username, envPassword)
	case len(a.Identity) > 0:
		a.Passphrase = []byte(password)
	case a.Username != "":
		a.Password = password
	}
	return a, nil
}

// secretData is what a Secret that a Repository names holds; nil if there are no credentials.
func secretData(a git.Auth) map[string]any {
	data := map[string]any{}
	for key, value := range map[string]string{
		"username": a.Username, "bearerToken": a.BearerToken, "identity": string(a.Identity), "known_hosts": string(a.KnownHosts), "ca.crt": string(a.CA),
		"password": a.Password + string(a.Passphrase),
	} {
		if value != "" {
			data[key] = value
		}
	}
	return data
}
