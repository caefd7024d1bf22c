package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/survey"
)

// unchanged hides the apps that what has changed does not bear on.
func (s *session) unchanged(ctx context.Context, found survey.Found, apps []survey.Rendered) error {
	changed, err := changes(ctx, s.root, s.options.since)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(changed, func(p string) bool { return p == s.configFile || slices.Contains(found.Declared, p) }) {
		return nil // what says which apps there are, or what is wrong, bears on all of them
	}
	for i, a := range apps {
		if !slices.ContainsFunc(changed, a.Touches) {
			apps[i].Hidden = true
		}
	}
	return nil
}

// changes are the files of a work tree that differ from where it left a branch, tag or commit, those that Git does not know yet included.
func changes(ctx context.Context, root, since string) ([]string, error) {
	commit, err := gitLines(ctx, root, "rev-parse", "--verify", "--quiet", "--end-of-options", since+"^{commit}")
	if err != nil || len(commit) == 0 {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("--since needs the git command: %w", err)
		}
		return nil, fmt.Errorf("--since %s: there is no such branch, tag or commit in the repository at %s", since, root)
	}
	// What others have done on that branch meanwhile is not this work tree's. Without a common commit, as in a shallow clone, it is compared as it is.
	if base, err := gitLines(ctx, root, "merge-base", commit[0], "HEAD"); err == nil && len(base) > 0 {
		commit = base
	}
	diff, err := gitLines(ctx, root, "diff", "--name-only", "--no-renames", "--no-ext-diff", "--relative", "-z", commit[0], "--")
	if err != nil {
		return nil, fmt.Errorf("git diff %s: %w", commit[0], err)
	}
	fresh, err := gitLines(ctx, root, "ls-files", "--others", "--exclude-standard", "-z")
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	return append(diff, fresh...), nil
}

// gitLines runs git and returns what it prints, by lines or by NUL characters.
func gitLines(ctx context.Context, root string, args ...string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(out), func(c rune) bool { return c == '\n' && !slices.Contains(args, "-z") || c == 0 }), nil
}
