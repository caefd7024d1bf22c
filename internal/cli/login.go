package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
	docker "oras.land/oras-go/v2/registry/remote/credentials"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/registry"
)

// logins are the credentials that the user's own docker, helm and git have. They are looked for when a server is asked, and never kept.
type logins struct {
	w      IO
	config string // the one file with those of registries; empty: all that there are
}

const (
	// mostLogins is how large a file with logins may be.
	mostLogins = 1 << 20
	// loginTime is how long a program may take that hands out credentials: it may ask its user to unlock something.
	loginTime = 2 * time.Minute
)

// registries are the files that may hold credentials of registries, in the order in which they are looked into.
func (l logins) registries() []string {
	if l.config != "" {
		return []string{l.config}
	}
	home, configs := l.w.Getenv("HOME"), l.configs()
	files := []string{
		cmp.Or(l.w.Getenv("HELM_REGISTRY_CONFIG"), filepath.Join(l.helm(), "registry", "config.json")),
		filepath.Join(cmp.Or(l.w.Getenv("DOCKER_CONFIG"), filepath.Join(home, ".docker")), "config.json"),
	}
	switch named, run := l.w.Getenv("REGISTRY_AUTH_FILE"), l.w.Getenv("XDG_RUNTIME_DIR"); {
	case named != "":
		files = append(files, named)
	case run != "":
		files = append(files, filepath.Join(run, "containers", "auth.json"))
	}
	return append(files, filepath.Join(configs, "containers", "auth.json"))
}

func (l logins) configs() string {
	return cmp.Or(l.w.Getenv("XDG_CONFIG_HOME"), filepath.Join(l.w.Getenv("HOME"), ".config"))
}

func (l logins) helm() string {
	return cmp.Or(l.w.Getenv("HELM_CONFIG_HOME"), filepath.Join(l.configs(), "helm"))
}

// registry adds to an access what the user has for an address of a registry or a chart repository, and where that was looked for.
func (l logins) registry(ctx context.Context, address string, a registry.Access) (registry.Access, error) {
	at, err := url.Parse(address)
	if err != nil {
		return a, fmt.Errorf("parse address of chart: %w", errors.Unwrap(err))
	}
	looked := l.registries()
	if at.Scheme != "oci" {
		file := cmp.Or(l.w.Getenv("HELM_REPOSITORY_CONFIG"), filepath.Join(l.helm(), "repositories.yaml"))
		found, err := l.added(file, address, &a)
		if err != nil || found {
			a.Field = "spec.render.charts of the Environment (this command used what helm repo add wrote to " + file + ")"
			return a, err
		}
		looked = append([]string{file}, looked...)
	}
	for _, file := range l.registries() {
		found, err := l.stored(ctx, file, at.Host, &a)
		if err != nil || found {
			a.Field = "spec.render.charts of the Environment (this command used what " + file + " says)"
			return a, err
		}
	}
	a.Field = fmt.Sprintf("spec.render.charts of the Environment (this command found nothing for %s in %s: docker login or helm registry login writes it)", at.Host, strings.Join(looked, ", "))
	return a, nil
}

// check reports a file with logins that cannot be used, before anybody is asked.
func (l logins) check() error {
	for _, file := range l.registries() {
		if _, err := l.open(file); err != nil {
			return err
		}
	}
	return nil
}

// open reads a file as docker login writes it; nil: there is none.
func (l logins) open(file string) (*docker.DynamicStore, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && l.config == "":
		return nil, nil
	case err != nil:
		return nil, err
	case info.Size() > mostLogins || !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: is not the JSON that docker login writes", file)
	}
	store, err := docker.NewStore(file, docker.StoreOptions{})
	if err != nil { // which might quote the file
		return nil, fmt.Errorf("%s: is not the JSON that docker login writes", file)
	}
	return store, nil
}

// stored takes what a file has for a host, be it in itself or with a program that it names.
func (l logins) stored(ctx context.Context, file, host string, a *registry.Access) (bool, error) {
	store, err := l.open(file)
	if store == nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	c, err := store.Get(ctx, docker.ServerAddressFromHostname(docker.ServerAddressFromRegistry(host)))
	if err != nil {
		return false, fmt.Errorf("%s: credentials of %s: %.300s", file, host, strings.Join(strings.Fields(err.Error()), " "))
	}
	if c == auth.EmptyCredential {
		return false, nil
	}
	a.Username, a.Password, a.Token, a.Bearer = c.Username, c.Password, c.RefreshToken, c.AccessToken
	return true, nil
}

// added takes what helm repo add wrote of a chart repository.
func (l logins) added(file, address string, a *registry.Access) (bool, error) {
	data, err := userFile(file)
	if data == nil {
		return false, err
	}
	var list struct {
		Repositories []struct{ URL, Username, Password, CAFile string }
	}
	if yaml.Unmarshal(data, &list) != nil { // its error would quote the file
		return false, fmt.Errorf("%s: is not the YAML that helm repo add writes", file)
	}
	for _, r := range list.Repositories {
		if strings.TrimSuffix(r.URL, "/") != strings.TrimSuffix(address, "/") || r.Username == "" && r.Password == "" && r.CAFile == "" {
			continue
		}
		a.Username, a.Password = r.Username, r.Password
		if r.CAFile != "" {
			if a.CA, err = os.ReadFile(r.CAFile); err != nil {
				return false, fmt.Errorf("%s: %w", file, err)
			}
		}
		return true, nil
	}
	return false, nil
}

// userFile reads a file of the user's; nil: there is none.
func userFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, mostLogins+1))
	if err == nil && len(data) > mostLogins {
		err = fmt.Errorf("%s: is larger than %d bytes", file, mostLogins)
	}
	if err != nil {
		return nil, err
	}
	return append([]byte{}, data...), nil
}

// netrc is what the user's .netrc says of a host, as curl and git read it; none: it says nothing.
func (l logins) netrc(host string) (git.Auth, error) {
	file := cmp.Or(l.w.Getenv("NETRC"), filepath.Join(l.w.Getenv("HOME"), ".netrc"))
	data, err := userFile(file)
	if err != nil {
		return git.Auth{}, err
	}
	var a git.Auth
	words, meant := strings.Fields(string(data)), false
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if word == "default" {
			if meant {
				break
			}
			meant = true
			continue
		}
		if len(words) == 0 {
			break
		}
		switch value := words[0]; {
		case word == "machine" && meant, word == "macdef":
			words = nil
			continue
		case word == "machine":
			meant = value == host
		case word == "login" && meant:
			a.Username = value
		case word == "password" && meant:
			a.Password = value
		}
		words = words[1:]
	}
	if a.Username != "" || a.Password != "" {
		a.Field = "spec.render.remoteBases of the Environment (this command used what " + file + " says)"
	}
	return a, nil
}

// filled is what git's own helpers have for an address, without asking at the terminal.
func (l logins) filled(ctx context.Context, address string) (a git.Auth, why string) {
	at, err := url.Parse(address)
	if err != nil {
		return a, "the address is malformed"
	}
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "credential", "fill")
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("protocol=%s\nhost=%s\npath=%s\n\n", at.Scheme, at.Host, strings.TrimPrefix(at.Path, "/")))
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return a, "git is not installed, whose helpers may have some"
		}
		return a, fmt.Sprintf("git credential fill gave none: %.300s", cmp.Or(strings.Join(strings.Fields(errs.String()), " "), err.Error()))
	}
	for line := range strings.Lines(out.String()) {
		switch key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "="); key {
		case "username":
			a.Username = value
		case "password":
			a.Password = value
		}
	}
	if a.Username == "" && a.Password == "" {
		return a, "git credential fill gave none"
	}
	a.Field = "spec.render.remoteBases of the Environment (this command used what git credential fill gave)"
	return a, ""
}
