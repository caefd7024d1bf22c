package cli_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-cd/fairlead/internal/cli"
)

func root(name string) *cobra.Command {
	var out bytes.Buffer
	r := cli.Root(cli.IO{Name: name, Getenv: func(string) string { return "" }, In: strings.NewReader(""), Out: &out, Err: &out})
	r.InitDefaultHelpCmd()
	r.InitDefaultCompletionCmd()
	return r
}

// everyCommand are all commands that do something, by their path without the name of the program.
func everyCommand(r *cobra.Command) map[string]*cobra.Command {
	all := map[string]*cobra.Command{}
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Runnable() && c.Name() != "help" && !c.Hidden {
			all[strings.TrimPrefix(c.CommandPath(), "fairlead ")] = c
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(r)
	return all
}

// meanings are the flags that several commands have: one name, one type, one letter. What is not here belongs to one command alone.
var meanings = map[string]string{
	"all-namespaces": "bool A", "context": "string", "kubeconfig": "string", "namespace": "string n", "output": "FORM o",
	"exit-code": "bool", "because": "string", "to": "string", "wait": "bool", "timeout": "duration", "watch": "bool w", "help": "bool h", "hold": "string", "yes": "bool y",
	"image": "string", "replicas": "int", "export": "bool", "cluster-path": "string", "branch": "string", "secret": "string", "root": "string", "no-descriptions": "bool",
	"server": "string", "fairlead-namespace": "string", "store": "string",
	"commit": "string", "for": "duration", "dry-run": "bool", "repository": "string",
	"age": "stringArray", "age-key-file": "string", "pgp": "stringArray", "pgp-key-file": "string", "pgp-keyring": "stringArray", "key-namespace": "string", "name": "string",
	"fetch": "bool", "plain-http": "bool", "registry-config": "string",
}

// homonyms are flags that mean one thing here and another there, each as people expect it there: check compares with a commit --since, logs begins --since, as
// kubectl's; plan is of --all environments, tree shows --all objects; demo keeps everything in a --dir, plan reads an app's; lists are filtered by
// patterns of --environment, deploy is about one, and so is render; what is migrated goes --into a namespace, history into a store; check reads apps at a --path,
// migrate says where its files will be.
var homonyms = []string{"since", "all", "dir", "environment", "into", "path"}

// TestCommands walks all commands and holds them to what all have in common.
func TestCommands(t *testing.T) {
	seen := map[string][]string{} // flag: its commands
	kind := map[string]string{}
	for path, c := range everyCommand(root("fairlead")) {
		generated := strings.HasPrefix(path, "completion ") // by cobra
		t.Run(path, func(t *testing.T) {
			if c.Short == "" || strings.HasSuffix(c.Short, ".") || strings.ToUpper(c.Short[:1]) != c.Short[:1] {
				t.Errorf("the short text is %q: want a sentence without its full stop", c.Short)
			}
			if c.Long == "" && path != "version" {
				t.Error("there is no long text")
			}
			if !generated {
				examples(t, path, c.Example)
			}
			c.Flags().VisitAll(func(f *pflag.Flag) {
				described(t, f)
				is := strings.TrimSpace(f.Value.Type() + " " + f.Shorthand)
				if slices.Contains(homonyms, f.Name) {
					return
				}
				if was, ok := kind[f.Name]; ok && was != is {
					t.Errorf("--%s is %q, and elsewhere (%s) %q", f.Name, is, strings.Join(seen[f.Name], ", "), was)
				}
				kind[f.Name] = is
				seen[f.Name] = append(seen[f.Name], path)
			})
			usage(t, path)
			forms(t, path, c)
			completes(t, path)
		})
	}
	for name, commands := range seen {
		want, shared := meanings[name]
		if !shared && len(commands) > 1 {
			t.Errorf("--%s is a flag of %s: say in the table of this test what it means", name, strings.Join(commands, ", "))
		}
		if shared && kind[name] != want {
			t.Errorf("--%s is %q, the table says %q", name, kind[name], want)
		}
	}
}

// examples: each is a command line that could be run.
func examples(t *testing.T, path, text string) {
	t.Helper()
	if !strings.Contains(text, "  fairlead "+path) && path != "version" {
		t.Error("there is no example of it")
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if !strings.HasPrefix(line, "  fairlead ") {
			t.Errorf("the example %q is not of this program, or not indented by two", line)
			continue
		}
		line, _, _ = strings.Cut(line[2:], "  ") // what is said of it
		line, _, _ = strings.Cut(line, " | ")
		line, _, _ = strings.Cut(line, " > ")
		words := split(strings.ReplaceAll(line, "'", `"`))[1:]
		r := root("fairlead")
		c, rest, err := r.Find(words)
		if err == nil {
			err = c.ParseFlags(rest)
		}
		if err == nil {
			err = c.ValidateArgs(c.Flags().Args())
		}
		if err != nil {
			t.Errorf("the example %q: %v", line, err)
		}
	}
}

func described(t *testing.T, f *pflag.Flag) {
	t.Helper()
	switch {
	case f.Name == "help":
	case f.Usage == "":
		t.Errorf("--%s is not described", f.Name)
	case strings.HasSuffix(f.Usage, "."):
		t.Errorf("--%s: %q ends in a full stop", f.Name, f.Usage)
	}
}

// usage: --help works, and what is wrong is exit code 2 with a line that says where help is.
func usage(t *testing.T, path string) {
	t.Helper()
	words := strings.Fields(path)
	code, out, errs := run(t.Context(), nil, append(words, "--help")...)
	if code != 0 || !strings.Contains(out, "Usage:") || errs != "" {
		t.Errorf("--help: exit code %d, %q, %q", code, out, errs)
	}
	hint := "Run 'fairlead " + path + " --help' for how it is used.\n"
	if code, out, errs = run(t.Context(), nil, append(words, "--no-such-flag")...); code != 2 || out != "" || !strings.HasSuffix(errs, hint) {
		t.Errorf("an unknown flag: exit code %d, %q, %q", code, out, errs)
	}
	tooMany := append(words, "a", "b", "c", "d")
	c, rest, err := root("fairlead").Find(tooMany)
	if err != nil || c.ValidateArgs(rest) == nil {
		return
	}
	if code, out, errs = run(t.Context(), nil, tooMany...); code != 2 || out != "" || !strings.HasSuffix(errs, hint) {
		t.Errorf("too many arguments: exit code %d, %q, %q", code, out, errs)
	}
}

// forms: every form of -o that is described is taken, and one that is not is refused with those that are.
func forms(t *testing.T, path string, c *cobra.Command) {
	t.Helper()
	f := c.Flags().Lookup("output")
	if f == nil {
		return
	}
	text, ok := strings.CutPrefix(f.Usage, "form of the output: ")
	known := strings.Split(text, ", ")
	if !ok || !slices.Contains(known, "json") {
		t.Errorf("--output is described as %q: want its forms, json among them", f.Usage)
	}
	for _, form := range known {
		if err := c.ParseFlags([]string{"-o", form}); err != nil {
			t.Errorf("-o %s: %v", form, err)
		}
	}
	code, _, errs := run(t.Context(), nil, append(strings.Fields(path), "-o", "nonsense")...)
	if code != 2 || !strings.Contains(errs, "want one of "+text) {
		t.Errorf("an unknown form: exit code %d, %q", code, errs)
	}
}

// completes: without a cluster there is nothing to complete, and that is no error.
func completes(t *testing.T, path string) {
	t.Helper()
	for _, line := range [][]string{{""}, {"--"}} {
		code, out, _ := run(t.Context(), nil, append(append([]string{"__complete"}, strings.Fields(path)...), line...)...)
		if code != 0 || !regexp.MustCompile(`(?m)^:\d+$`).MatchString(out) {
			t.Errorf("completion of %q: exit code %d, %q", line, code, out)
		}
	}
}

func TestUnknownCommand(t *testing.T) {
	for word, near := range map[string]string{"stauts": "status", "tre": "tree", "lgos": "logs"} {
		code, out, errs := run(t.Context(), nil, word)
		if code != 2 || out != "" || !strings.Contains(errs, near) || !strings.Contains(errs, "Run 'fairlead --help'") {
			t.Errorf("%s: exit code %d, %q, %q", word, code, out, errs)
		}
	}
}

// TestPlugin: as a plugin of kubectl, help and examples say what to type.
func TestPlugin(t *testing.T) {
	for path := range everyCommand(root("fairlead")) {
		var out bytes.Buffer
		w := cli.IO{Name: "kubectl-fairlead", Getenv: func(string) string { return "" }, In: strings.NewReader(""), Out: &out, Err: &out}
		if code := cli.Run(t.Context(), append(strings.Fields(path), "--help"), w); code != 0 {
			t.Errorf("%s --help: exit code %d", path, code)
		}
		if !strings.Contains(out.String(), fmt.Sprintf("  kubectl fairlead %s", path)) || regexp.MustCompile(`(?m)^  fairlead `).MatchString(out.String()) {
			t.Errorf("%s --help does not say 'kubectl fairlead':\n%s", path, out.String())
		}
	}
}
