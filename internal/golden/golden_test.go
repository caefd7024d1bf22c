package golden

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// variable names the file that TestUpper runs, when TestRun starts it.
const variable = "GOLDEN_TEST_PATTERN"

// TestUpper: "out" is "in" in capitals.
func TestUpper(t *testing.T) {
	pattern := os.Getenv(variable)
	if pattern == "" {
		pattern = "testdata/upper.txtar"
	}
	Run(t, pattern, func(_ *testing.T, ar *txtar.Archive) {
		Drop(ar, "error")
		Set(ar, "out", strings.ToUpper(string(ar.Files[0].Data)))
	})
}

// TestRun runs TestUpper in a process of its own, on files that are as they should be, or not.
func TestRun(t *testing.T) {
	const right = "about it\n-- in --\na\nb\n-- out --\nA\nB\n"
	run := func(file string, flags ...string) (string, bool) {
		args := append([]string{"-test.run=^TestUpper$", "-test.v"}, flags...)
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), variable+"="+file)
		out, err := cmd.CombinedOutput()
		return string(out), err == nil
	}
	for name, text := range map[string]string{
		"right":   right,
		"wrong":   strings.Replace(right, "B", "C", 1),
		"absent":  "about it\n-- in --\na\nb\n",
		"another": strings.Replace(right, "-- out", "-- error --\nno\n-- out", 1),
	} {
		file := filepath.Join(t.TempDir(), "case.txtar")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, ok := run(file)
		if ok != (text == right) || !strings.Contains(out, "TestUpper/case") {
			t.Errorf("%s: passes: %t\n%s", name, ok, out)
		}
		if name == "wrong" && !strings.Contains(out, "-C\n") {
			t.Errorf("%s: says\n%s", name, out)
		}
		if out, ok := run(file, "-update"); !ok {
			t.Errorf("%s: -update fails:\n%s", name, out)
		}
		if is, err := os.ReadFile(file); err != nil || string(is) != right {
			t.Errorf("%s: after -update the file is\n%s%v", name, is, err)
		}
	}
	if out, ok := run(filepath.Join(t.TempDir(), "*.txtar")); ok {
		t.Errorf("a pattern without a file passes:\n%s", out)
	}
}
