package test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/cli"
	"github.com/fairlead-cd/fairlead/internal/testkit"
)

// unrun are the commands and YAML blocks of pages that no script runs, by how they begin, and why.
var unrun = map[string]string{
	"bin/bench":               "takes minutes and needs a quiet machine; .ci/nightly measures",
	"flux ":                   "a program of others",
	"argocd ":                 "a program of others",
	"gh pr ":                  "a program of others",
	"cosign ":                 "a program of others: signatures of its layouts are TestSigned in internal/registry",
	"git tag -s":              "signing with real keys of each kind is TestSignatures",
	"- job_name: ":            "is for Prometheus in a cluster: finding Pods is its own",
	"kubectl rollout restart": "the name of a command",
}

// TestPages: every command that a page shows is run by a script (script/page_*.txtar), is a target of make that a merge or a night runs, or has a reason in the
// table above. What is named within a sentence is at least a command line that the program takes.
func TestPages(t *testing.T) {
	t.Parallel()
	ran := scripts(t)
	used := map[string]bool{}
	total := 0
	for _, path := range pages(t) {
		p, err := testkit.ReadPage(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range p.Wrong {
			t.Errorf("%s: %s", path, w)
		}
		done := map[string]bool{}
		for _, s := range ran[path] {
			found, err := s.find(p)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			done[found] = true
		}
		for _, c := range slices.Concat(p.Commands, p.Snippets) {
			total++
			if !done[c] && !excused(c, used) && !made(t, path, c) {
				t.Errorf("%s shows this, and no script runs it (see script/README.md, `page`):\n%s", path, c)
			}
		}
		for _, c := range p.Inline {
			switch {
			case done[c] || excused(c, used) || made(t, path, c):
			case strings.HasPrefix(c, "fairlead "):
				taken(t, path, c)
			case len(strings.Fields(c)) > 2: // with fewer words it is a name
				t.Errorf("%s shows `%s`, and no script runs it (see script/README.md, `page`)", path, c)
			}
		}
		delete(ran, path)
	}
	for path := range ran {
		t.Errorf("a script is about %s, which shows nothing", path)
	}
	for c := range unrun {
		if !used[c] {
			t.Errorf("no page shows %q any more", c)
		}
	}
	if total < 40 {
		t.Errorf("only %d commands and blocks were found", total)
	}
}

// pages are README.md and all pages of docs but the reference of the commands, whose examples are those of the commands themselves, and decisions, which tell
// of their day.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md"}
	err := fs.WalkDir(os.DirFS(".."), "docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") && path != "docs/reference/cli.md" && !strings.HasPrefix(path, "docs/decisions/") {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// use is a line of a script that runs or writes something of a page.
type use struct{ script, verb, text string }

func (u use) find(p testkit.Page) (string, error) {
	if u.verb == "shown" {
		return p.Command(u.text)
	}
	return p.Snippet(u.text)
}

var quoted = regexp.MustCompile(`^'([^']*)'|^(\S+)`)

// scripts are the lines of all scripts about pages, by page.
func scripts(t *testing.T) map[string][]use {
	t.Helper()
	all := map[string][]use{}
	files, err := filepath.Glob("script/page_*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(string(data), "\n-- ")
		page := ""
		for line := range strings.SplitSeq(text, "\n") {
			verb, rest, _ := strings.Cut(strings.TrimPrefix(line, "! "), " ")
			rest = strings.TrimPrefix(rest, "-wait ")
			if after, ok := strings.CutPrefix(rest, "-until "); ok {
				rest = strings.TrimSpace(after[len(quoted.FindString(after)):])
			}
			m := quoted.FindStringSubmatch(rest)
			switch verb {
			case "page":
				page = m[2]
			case "shown", "snippet":
				all[page] = append(all[page], use{f, verb, m[1] + m[2]})
			}
		}
	}
	return all
}

func excused(c string, used map[string]bool) bool {
	for begins := range unrun {
		if strings.HasPrefix(c, begins) {
			used[begins] = true
			return true
		}
	}
	return false
}

var assigned = regexp.MustCompile(`^([A-Z]+)=`)

// made: a make command is right if .ci/run or .ci/nightly runs the target, and the Makefile reads the variables.
func made(t *testing.T, path, c string) bool {
	t.Helper()
	command, _, _ := strings.Cut(c, " #")
	words := strings.Fields(command)
	if words[0] != "make" {
		return false
	}
	read := func(path string) string {
		data, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	steps, makefile := read(".ci/run")+read(".ci/nightly"), read("Makefile")
	ofBuild := regexp.MustCompile(`(?m)^build:.* ` + regexp.QuoteMeta(words[1]) + ` `).MatchString(makefile)
	if !ofBuild && !strings.Contains(steps, "\nstep make "+words[1]) {
		t.Errorf("%s: neither .ci/run nor .ci/nightly runs %s", path, c)
	}
	for _, w := range words[2:] {
		if m := assigned.FindStringSubmatch(w); m != nil && !strings.Contains(makefile, "$("+m[1]+")") {
			t.Errorf("%s: the Makefile does not know %s of %s", path, m[1], c)
		}
	}
	return true
}

// taken: the program takes such a command line, were its arguments there.
func taken(t *testing.T, path, c string) {
	t.Helper()
	c, _, _ = strings.Cut(c, " > ")
	var out bytes.Buffer
	root := cli.Root(cli.IO{Name: "fairlead", Getenv: func(string) string { return "" }, In: strings.NewReader(""), Out: &out, Err: &out})
	words := strings.Fields(strings.ReplaceAll(c, `"`, ""))[1:]
	cmd, rest, err := root.Find(words)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil && len(words) > 1 {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("%s: `%s`: %v", path, c, err)
	}
}
