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

// flagged says of an error of Git where the flags have what the controller keeps in a Secret.
func flagged(err error) error {
	if err == nil {
		return nil
	}
	return reworded{err, inFlags.Replace(err.Error())}
}

// reworded is an error in other words.
type reworded struct {
	error
	text string
}

func (r reworded) Error() string { return r.text }
func (r reworded) Unwrap() error { return r.error }

var inFlags = strings.NewReplacer(
	"name a Secret with the keys username and password, or bearerToken, in spec.secretRef", "say --username and $"+envPassword+", or $"+envToken,
	"name a Secret with the keys identity and known_hosts in spec.secretRef; the second is what", "say --identity and --known-hosts; the second is a file of what",
	"check the keys username and password, or bearerToken, of the Secret in spec.secretRef", "check --username and $"+envPassword+", or $"+envToken,
	" (keys username and password, or bearerToken, of the Secret in spec.secretRef)", "",
	"the Secret in spec.secretRef has no key known_hosts, so nothing vouches for the server: put there what", "--known-hosts is missing, so nothing vouches for the server: put into its file what",
	"the Secret in spec.secretRef has no key identity: put the private SSH key there", "--identity is missing: name the file of the private SSH key",
	"put it into the key password of the Secret in spec.secretRef", "put it into $"+envPassword,
	"the passphrase in the key password of the Secret in spec.secretRef", "$"+envPassword,
	"the key identity of the Secret in spec.secretRef", "the file of --identity",
	"the key known_hosts of the Secret in spec.secretRef", "the file of --known-hosts",
	"the key ca.crt of the Secret in spec.secretRef", "the file of --ca",
	"check spec.url, and the Secret in spec.secretRef", "check both",
	"check spec.url, and whether", "check the address, and whether",
	"check the scheme and port of spec.url", "check the scheme and port of the address",
	"check spec.url", "check the address",
)
