package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// git runs the git command and returns what it printed. Its error is what git said, in one line.
func (b *Branch) git(ctx context.Context, in io.Reader, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append(append(environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C"), b.config...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	err := cmd.Run()
	switch {
	case err == nil:
		return out.String(), nil
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("this needs the git command: %w", err)
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	}
	return out.String(), saidError(said(errs.String()))
}

// saidError is what git says of why it failed.
type saidError string

func (e saidError) Error() string { return "git says: " + string(e) }

// said is what matters of what git prints to standard error.
func said(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		line = strings.TrimPrefix(strings.TrimPrefix(line, "fatal: "), "error: ")
		switch {
		case line == "", strings.HasPrefix(line, "hint:"), strings.HasPrefix(line, "Please make sure"), strings.HasPrefix(line, "and the repository exists"):
		default:
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return "nothing"
	}
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}

// authenticate prepares what git is told of the credentials.
func (b *Branch) authenticate(ctx context.Context) error {
	a := b.o.Auth
	b.config = b.identity(ctx)
	var config [][2]string
	set := func(key, value string) { config = append(config, [2]string{key, value}) }
	switch {
	case a.BearerToken != "":
		set("http.extraHeader", "Authorization: Bearer "+a.BearerToken)
		set("credential.helper", "")
	case a.Password != "" || a.Username != "":
		// The helper is run by git with this environment; what it prints, git reads.
		set("credential.helper", "")
		set("credential.helper", `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$FAIRLEAD_PUSH_USERNAME" "$FAIRLEAD_PUSH_PASSWORD"; }; f`)
		b.config = append(b.config, "FAIRLEAD_PUSH_USERNAME="+a.Username, "FAIRLEAD_PUSH_PASSWORD="+a.Password)
	}
	if len(a.CA) > 0 {
		file := filepath.Join(b.o.Dir, "ca.crt")
		if err := os.WriteFile(file, a.CA, 0o600); err != nil {
			return err
		}
		set("http.sslCAInfo", file)
	}
	if len(a.Identity) > 0 {
		if err := b.ssh(); err != nil {
			return err
		}
	}
	if len(config) == 0 {
		return nil
	}
	b.config = append(b.config, "GIT_CONFIG_COUNT="+strconv.Itoa(len(config)))
	for i, c := range config {
		b.config = append(b.config, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, c[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, c[1]))
	}
	return nil
}

// ssh lets git use the key that was given and no other, and trust the host keys that were given and no others.
func (b *Branch) ssh() error {
	known := filepath.Join(b.o.Dir, "known_hosts")
	if err := os.WriteFile(known, b.o.Auth.KnownHosts, 0o600); err != nil {
		return err
	}
	var err error
	if b.agent, err = serveAgent(filepath.Join(b.o.Dir, "agent"), b.o.Auth.Identity, b.o.Auth.Passphrase); err != nil {
		return fault.New(fault.Invalid, err)
	}
	b.config = append(b.config, fmt.Sprintf("GIT_SSH_COMMAND=ssh -F none -o BatchMode=yes -o IdentityFile=none -o IdentityAgent=%s -o StrictHostKeyChecking=yes "+
		"-o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile=%s", quote(b.agent.socket), quote(known)), "GIT_SSH_VARIANT=ssh")
	return nil
}

// quote is for the shell that git runs ssh by.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
