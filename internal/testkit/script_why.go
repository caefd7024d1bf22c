package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/golden"
)

// cmdWhy asks why an app is not further until the answer is that of a file and the exit code is the given one: why CODE FILE [-kubeconfig FILE] APP.
// With -update the file of the script gets the answer, once it stays the same.
func (s *script) cmdWhy(_ bool, args []string) error {
	if len(args) < 3 {
		return errUsage
	}
	code, file, args := args[0], args[1], args[2:]
	w, err := s.world()
	if err != nil {
		return err
	}
	bin, err := binary("fairlead")
	if err != nil {
		return err
	}
	want, same, last := s.ts.ReadFile(file), 0, ""
	err = Wait(s.ctx(), func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, bin, append([]string{"why", "-n", s.namespace}, args...)...)
		cmd.Env = append(os.Environ(), w.kubectlEnv()...)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return err
		}
		got := lasting(string(out))
		if exit != nil {
			got += string(exit.Stderr)
		}
		if same++; got != last {
			same, last = 0, got
		}
		switch {
		case fmt.Sprint(cmd.ProcessState.ExitCode()) != code:
			return fmt.Errorf("exit code %d, want %s:\n%s", cmd.ProcessState.ExitCode(), code, got)
		case golden.Updating() && same < 8:
			return errors.New("the answer changes")
		case golden.Updating() || got == want:
			return nil
		}
		return fmt.Errorf("if this is as it should be, run the test with -update\n%s", diff.Diff("want", []byte(want), "got", []byte(got)))
	})
	if err == nil && golden.Updating() {
		err = s.rewrite(file, last)
	}
	return err
}

// changing is what differs from run to run.
var changing = []struct {
	is     *regexp.Regexp
	become string
}{
	{regexp.MustCompile(`sha1:[0-9a-f]{40}`), "sha1:COMMIT"},
	{regexp.MustCompile(`\b[0-9a-f]{8}\b`), "COMMIT"},
	{regexp.MustCompile(`--hold [0-9a-f]+`), "--hold ID"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`(since|next try in|not ready after) (\d+[dhms])+`), "$1 AGE"},
	{regexp.MustCompile(`, (\d+[dhms])+ ago`), ", AGE ago"},
	{regexp.MustCompile(` \(\d+ times\)`), ""},
	{regexp.MustCompile(`-[0-9a-f]{6,10}-[a-z0-9]{5}\b`), "-HASH-ID"},
	{regexp.MustCompile(`([ /][a-z]+)-[bcdfghjklmnpqrstvwxz2456789]{5}\b`), "$1-ID"},
}

// lasting is an answer without what differs from run to run.
func lasting(text string) string {
	for _, c := range changing {
		text = c.is.ReplaceAllString(text, c.become)
	}
	return text
}

// rewriting lets one test at a time write to the files of the scripts.
var rewriting sync.Mutex

func (s *script) rewrite(file, text string) error {
	rewriting.Lock()
	defer rewriting.Unlock()
	ar, err := txtar.ParseFile(s.file)
	if err != nil {
		return err
	}
	golden.Set(ar, strings.TrimPrefix(file, "./"), text)
	return os.WriteFile(s.file, txtar.Format(ar), 0o644)
}
