package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// allocLimit bounds what git asks for at once: a delta of a few kilobytes may say that it makes gigabytes. No server makes deltas of files that are larger.
const allocLimit = "512m"

// command is a git that works on the bare repository and sees nothing of the machine's and the user's configuration.
// It reaches no network and asks nobody.
func (b *bare) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = b.dir
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "LC_ALL=C", "GIT_DIR=" + b.dir,
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_ALLOC_LIMIT=" + allocLimit, "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1", "GIT_NO_REPLACE_OBJECTS=1",
	}
	return cmd
}

// run runs git to its end.
func (b *bare) run(ctx context.Context, args ...string) error {
	_, err := b.output(ctx, args...)
	return err
}

// output runs git to its end and returns what it printed.
func (b *bare) output(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	err := b.print(ctx, &out, args...)
	return out.String(), err
}

// print runs git to its end and hands on what it prints.
func (b *bare) print(ctx context.Context, to io.Writer, args ...string) error {
	cmd := b.command(ctx, args...)
	var errs tail
	cmd.Stdout, cmd.Stderr = to, &errs
	if err := cmd.Run(); err != nil {
		return gitError(ctx, args[0], err, &errs)
	}
	return nil
}

func gitError(ctx context.Context, verb string, err error, errs *tail) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("run git: the git command is not installed (2.38 or newer is needed): %w", err)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if text := errs.String(); text != "" {
		return fmt.Errorf("git %s: %w: %s", verb, err, text)
	}
	return fmt.Errorf("git %s: %w", verb, err)
}

// tail keeps the last bytes that were written to it: the end of stderr is where the reason is.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 2 << 10
	t.b = append(t.b, p...)
	if len(t.b) > most {
		t.b = append(t.b[:0], t.b[len(t.b)-most:]...)
	}
	return len(p), nil
}

// String is the text in one line.
func (t *tail) String() string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(t.b), "?"), func(r rune) bool { return r < ' ' }), "; ")
}
