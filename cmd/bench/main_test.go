package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("a.json", `{"n": 3, "objects_per_app": 5, "restart": {"dry_runs": 0}}`)
	bad := file("b.json", `{"n": 3, "objects_per_app": 5, "restart": {"dry_runs": 1}}`)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--help", 0, "bench compare A.json B.json"},
		{"run -h", 0, "bench compare A.json B.json"},
		{"help", 0, "bench compare A.json B.json"},
		{"measure", 2, `there is no command "measure"`},
		{"-n none", 2, `size "none"`},
		{"-nothing", 2, "flag provided but not defined"},
		{"run 100", 2, `"100" is no flag`},
		{"-only everything", 2, `there is no part "everything"`},
		{"-fairlead " + dir + "/none", 1, "make build"},
		{"compare " + good, 2, "compare needs two files"},
		{"compare " + good + " " + dir + "/none", 1, "no such file"},
		{"compare " + good + " " + good, 0, "0 worse"},
		{"compare " + good + " " + bad, 1, "worse   3x5       restart.dry_runs: 1, was 0"},
		{"compare " + bad + " " + good, 0, "better  3x5"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(c.args), &out, &errs); code != c.code || !strings.Contains(out.String()+errs.String(), c.says) {
			t.Errorf("bench %s: code %d, want %d; it said\n%s%s", c.args, code, c.code, &out, &errs)
		}
	}
}
