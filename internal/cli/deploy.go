package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/candidate"
	"github.com/fairlead-cd/fairlead/internal/controller"
)

// deployOptions are the flags of deploy.
type deployOptions struct {
	target
	environment, commit string
	wait                bool
	timeout             time.Duration
	server              string
}

func deployCommand(w IO) *cobra.Command {
	var o deployOptions
	cmd := &cobra.Command{
		Use:   "deploy --environment ENV --commit ID",
		Short: "Have a commit tried, and the environment's branch moved to it if all gets well",
		Long: `Asks for a commit to be tried as a candidate of an environment: each app that it changes is checked, dry-run, applied and
verified at it. If all of them get well, Fairlead moves the environment's branch to it; else the environment returns to its
branch, which has never moved. The commit has to be in the repository: any branch or tag may lead to it. One that was refused
before is tried again. The source of the environment needs 'candidate' (see 'kubectl explain environment.spec.sources.candidate').

It needs the right to patch the Environment, and to read the Environments, Apps and Repositories of its namespace. Or, if
$FAIRLEAD_TOKEN is set, the controller at --server is asked with that: a token of a ServiceAccount or user with the right
'deploy' to the Environment. Then the API server need not be reached, and nothing else can be done with the token.

With --wait it tells how the commit and each of its apps fares, and ends when the branch has it (exit code 0), or when it is
refused (1). After --timeout it ends with 3: the commit is still on its way, and goes on by itself.`,
		Example: `  fairlead deploy --environment production --commit 9ac50f14d2b7e6835f104a9c8e2b7d6f5a3c1e08 --wait
  fairlead deploy -n shop --environment production --commit 3f9a2c1e0b6d4c7f8a9b0c1d2e3f4a5b6c7d8e9f --wait --timeout 30m
  fairlead deploy --server https://fairlead.example.com -n shop --environment production --commit 3f9a2c1e0b6d4c7f8a9b0c1d2e3f4a5b6c7d8e9f --wait`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), w) },
	}
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	cmd.Flags().StringVar(&o.environment, "environment", "", "the environment (needed)")
	cmd.Flags().StringVar(&o.commit, "commit", "", "the full id of the commit (needed)")
	cmd.Flags().StringVar(&o.server, "server", "", "address of the controller, with $FAIRLEAD_TOKEN (default: $FAIRLEAD_SERVER)")
	waitFlags(cmd.Flags(), &o.wait, &o.timeout, "wait until the branch has it, or it is refused")
	return cmd
}

var fullID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

func (o *deployOptions) run(ctx context.Context, w IO) error {
	switch {
	case o.environment == "":
		return usagef("say with --environment which one")
	case !fullID.MatchString(o.commit):
		return usagef("--commit %q: want the full id of a commit, of 40 or 64 digits, such as 'git rev-parse HEAD' prints", o.commit)
	}
	if token := strings.TrimSpace(w.Getenv(tokenVariable)); token != "" {
		return o.runAt(ctx, w, token)
	}
	if o.server != "" {
		return usagef("--server is asked with the token in $%s, and there is none", tokenVariable)
	}
	c, namespace, s, err := o.choose(ctx, w, o.environment, kinds{envs: true})
	if err != nil {
		return err
	}
	env := &s.envs[0]
	branch := branchOf(env)
	if branch == "" {
		return fmt.Errorf("environment %s has no candidates: no source of it says what may move its branch, and with which credentials (spec.sources.candidate)", env.Name)
	}
	asked := controller.Deploy{Request: time.Now().UTC().Format(time.RFC3339Nano), Commit: o.commit, By: o.user(ctx, w)}
	text, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	if err := annotate(ctx, c, env, map[string]any{controller.AnnotationDeploy: string(text)}); err != nil {
		return fmt.Errorf("ask for %s: %w", o.commit[:8], err)
	}
	if !o.wait {
		_, err := fmt.Fprintf(w.Out, "asked for %s in environment %s\n", o.commit[:8], env.Name)
		return err
	}
	d := deploying{commit: o.commit, branch: branch, out: newTeller(w), apps: map[string]string{}}
	var result error
	err = until(ctx, c, namespace, o.timeout, func(f *fleet) (done bool, err error) {
		now := f.now(s)
		if len(now.envs) == 0 {
			return true, fmt.Errorf("environment %s is gone", env.Name)
		}
		done, result = d.look(controller.ProgressOf(&now.envs[0], f.apps, o.commit, asked.Request))
		return done, d.out.err
	})
	return cmp.Or(d.late(err, o.timeout), result)
}

// branchOf is the branch that candidates of an environment are for; empty if it has none.
func branchOf(env *v1alpha1.Environment) string {
	for _, s := range env.Spec.Sources {
		if s.Candidate != nil {
			return s.Ref.Branch
		}
	}
	return ""
}

// teller prints lines.
type teller struct {
	w   IO
	err error
}

func newTeller(w IO) *teller { return &teller{w: w} }

func (t *teller) say(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w.Out, format+"\n", args...)
	}
}

// deploying is a commit on its way, and what was told of it.
type deploying struct {
	commit, branch string
	out            *teller
	last           string            // what was told of the commit
	apps           map[string]string // what was told of its apps
}

// late is an error that says how far the commit is, if the time is up.
func (d *deploying) late(err error, timeout time.Duration) error {
	if !errors.Is(err, errTimeout) {
		return err
	}
	text := cmp.Or(d.last, "the controller has not taken it up: is it running?")
	return outcome{code: codeHeld, err: fmt.Errorf("not done after %s, and still on its way: %s", timeout, text)}
}

// look tells what is new, and whether that is the end. Result is nil if the branch has the commit.
func (d *deploying) look(p controller.Progress) (done bool, result error) {
	if p.Phase == "" {
		return false, nil
	}
	line := d.commit[:8] + " " + strings.ToLower(string(p.Phase))
	if p.Phase == candidate.Trying || p.Phase == candidate.Rehearsing {
		line += ": it changes " + cmp.Or(strings.Join(p.Apps, ", "), "no app")
	} else if p.Why != "" {
		line += ": " + p.Why
	}
	if line != d.last {
		d.last = line
		if !p.Phase.Ended() {
			d.out.say("%s", line)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Fares)) {
		if text := p.Fares[name]; d.apps[name] != text {
			d.apps[name] = text
			d.out.say("  %s: %s", name, text)
		}
	}
	switch p.Phase {
	case candidate.Moved:
		d.out.say("%s moved: %s has it", d.commit[:8], d.branch)
		return true, nil
	case candidate.Refused, candidate.Gone:
		return true, fmt.Errorf("%s is %s, and %s stays: %s", d.commit[:8], strings.ToLower(string(p.Phase)), d.branch, p.Why)
	case candidate.Waiting, candidate.Rehearsing, candidate.Trying, candidate.Moving:
	}
	return false, nil
}
