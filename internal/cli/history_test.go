package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/history"
	"github.com/fairlead-cd/fairlead/internal/history/store"
	"github.com/fairlead-cd/fairlead/internal/release"
)

var morning = time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC)

// storeOf makes a store in which web was released, rolled back by itself and drifted, and db of another environment is suspended.
func storeOf(t *testing.T) string {
	t.Helper()
	address := "sqlite:" + filepath.Join(t.TempDir(), "history.db")
	s, err := store.Create(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	version := func(w release.Want) history.Version {
		if w.IsZero() {
			return history.Version{}
		}
		return history.Version{
			Commit: strings.Repeat(w.Digest, 40), Author: "Ada <ada@example.com>", Committed: morning.Add(-time.Hour), Digest: "sha256:" + w.Digest,
			Images: []string{"registry/web:" + w.Digest},
		}
	}
	at := func(minute int) time.Time { return morning.Add(time.Duration(minute) * time.Minute) }
	web := history.Place{Namespace: "shop", Environment: "production", App: "web"}
	entered := func(serial int, phase release.Phase, minute int, want, back, why string) history.Record {
		return history.OfRelease(web, release.Release{
			Serial: serial, Phase: phase, Since: at(minute), Want: release.Want{Digest: want}, Back: release.Want{Digest: back}, Why: why,
		}, version)
	}
	_, err = s.Append(t.Context(), []history.Record{
		entered(1, release.Applying, 0, "a", "", ""),
		entered(1, release.Succeeded, 1, "a", "", ""),
		entered(2, release.Applying, 60, "b", "", ""),
		entered(2, release.RollingBack, 65, "b", "a", "Deployment shop/web is not ready:\n0 of 3"),
		entered(2, release.RolledBack, 66, "b", "a", "Deployment shop/web is not ready:\n0 of 3"),
		{Time: at(90), Kind: history.Drift, Phase: history.Found, Key: "drift", Namespace: "shop", Environment: "production", App: "web", Who: "kubectl-edit", Why: "spec.replicas of Deployment shop/web"},
		{Time: at(95), Kind: history.Suspension, Key: "suspension", Namespace: "bank", Environment: "staging", App: "db", Who: "ada", Why: "migration"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// said runs a command line, and returns what it printed, and its errors.
func said(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), args, IO{Getenv: func(string) string { return "" }, In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestHistoryOfStore(t *testing.T) {
	address := storeOf(t)
	for line, want := range map[string]string{
		"history -n shop --limit 4": `TIME                   NAME             WHAT                  COMMIT         WHO            WHY
2026-03-03T09:00:00Z   production/web   Release 2 Applying    bbbbbbbb   -
2026-03-03T09:05:00Z   production/web   Release 2 RollingBack   aaaaaaaa   -              Deployment shop/web is not ready: 0 of 3
2026-03-03T09:06:00Z   production/web   Release 2 RolledBack   aaaaaaaa   -              Deployment shop/web is not ready: 0 of 3
2026-03-03T09:30:00Z   production/web   Drift Found           -              kubectl-edit   spec.replicas of Deployment shop/web
`,
		"history -A --kind suspension": `TIME                   NAMESPACE   NAME         WHAT         COMMIT   WHO   WHY
2026-03-03T09:35:00Z   bank        staging/db   Suspension   -        ada   migration
`,
		"history production/web --since 2026-03-03T09:06Z -o wide": `TIME                   NAME             WHAT                   COMMIT         WHO            AUTHOR                  IMAGES           RECORD   WHY
2026-03-03T09:06:00Z   production/web   Release 2 RolledBack   aaaaaaaa   -              Ada <ada@example.com>   registry/web:b   5        Deployment shop/web is not ready: 0 of 3
2026-03-03T09:30:00Z   production/web   Drift Found            -              kubectl-edit   -                       -                6        spec.replicas of Deployment shop/web
`,
		"at 2026-03-03T09:02Z": `NAME             COMMIT         RELEASE      FOR   STATE   IMAGES
production/web   bbbbbbbb   2 Applying   2m    -       registry/web:b
`,
		"at 2026-03-03T10:06Z production": `NAME             COMMIT         RELEASE        FOR   STATE             IMAGES
production/web   aaaaaaaa   2 RolledBack   60m   pinned, drifted   registry/web:a
`,
		"history diff 2026-03-03T08:30Z 2026-03-03T09:02Z": `production/web  aaaaaaaa → bbbbbbbb
  - registry/web:a
  + registry/web:b
`,
		"history diff 2026-03-03T08:30Z 2026-03-03T10:00Z -A": `bank/staging/db  not there → nothing (suspended)
shop/production/web  aaaaaaaa → aaaaaaaa (pinned, drifted)
`,
	} {
		code, out, errs := said(t, append(strings.Fields(line), "--store", address)...)
		if diff := cmp.Diff(squeeze(want), squeeze(out)); code != 0 || errs != "" || diff != "" {
			t.Errorf("%s: exit code %d, %s (-want +got):\n%s", line, code, errs, diff)
		}
	}
}

// squeeze makes columns comparable without counting blanks.
func squeeze(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestHistoryErrors(t *testing.T) {
	address := storeOf(t)
	for line, c := range map[string]struct {
		code int
		want string
	}{
		"at 2026-03-03T07:00Z":           {0, "Nothing is on record of what ran at 2026-03-03T07:00:00Z."},
		"at noon":                        {2, `"noon" is no time`},
		"at":                             {2, "a time is missing"},
		"at 2999-03-03T07:00Z":           {2, "2999-03-03T07:00:00Z is still to come"},
		"history diff 1h":                {2, "2 are needed"},
		"history --kind Holdd":           {2, "did you mean Hold?"},
		"history --kind Party":           {2, "want one of Release, Hold"},
		"history --since -1h":            {2, "is no time"},
		"history -n nowhere":             {0, "Nothing is on record."},
		"history verify --noted 7":       {2, "want SEQ:HASH"},
		"history diff 1h 0s":             {0, "Nothing is different"},
		"dora --since 2026-03-04T00:00Z": {0, "No release succeeded or failed since 2026-03-04T00:00:00Z."},
	} {
		if code, out, errs := said(t, append(strings.Fields(line), "--store", address)...); code != c.code || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%s: exit code %d, %q, %q", line, code, out, errs)
		}
	}
	missing := filepath.Join(t.TempDir(), "no.db")
	if code, _, errs := said(t, "history", "--store", missing); code != 1 || !strings.Contains(errs, "no such file") {
		t.Errorf("a store that is not there: exit code %d, %s", code, errs)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("it was made by who reads")
	}
}

func TestDoraOfStore(t *testing.T) {
	var out, errs bytes.Buffer
	w := IO{Getenv: func(string) string { return "" }, Out: &out, Err: &errs}
	o := doraOptions{recordOptions: recordOptions{store: storeOf(t)}, since: "30d"}
	if err := o.run(t.Context(), w, morning.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want := `NAME DEPLOYMENTS A DAY LEAD TIME FAILURES RATE RESTORE BROKEN NOW
production 1 1.00 61m 1 of 2 50% 60s 0
production/web 1 1.00 61m 1 of 2 50% 60s 0
`
	if diff := cmp.Diff(want, squeeze(out.String())); diff != "" || errs.String() != "note: from 2026-03-03T08:00:00Z on: nothing is on record before\n" {
		t.Errorf("%s (-want +got):\n%s", errs.String(), diff)
	}
}

// What is quicker than a second is not said to take none.
func TestSpread(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0s", 0.0423: "42ms", 0.617: "617ms", 1.2: "1s", 3660: "61m"} {
		if got := spreadOf(history.Spread{Of: 1}, seconds); got != want {
			t.Errorf("%g seconds are %q, want %q", seconds, got, want)
		}
	}
	if got := spreadOf(history.Spread{}, 0); got != "" {
		t.Errorf("none is %q", got)
	}
}

// TestHistoryMoves: a history is verified, backed up, exported, imported and copied, and is the same chain.
func TestHistoryMoves(t *testing.T) {
	address, dir := storeOf(t), t.TempDir()
	do := func(args ...string) string {
		t.Helper()
		code, out, errs := said(t, args...)
		if code != 0 {
			t.Fatalf("%q: exit code %d, %s", args, code, errs)
		}
		return out
	}
	whole := do("history", "verify", "--store", address)
	if !strings.HasPrefix(whole, "7 records, and nothing was changed.\nend: 7:") {
		t.Fatalf("verified: %s", whole)
	}
	end := strings.TrimSpace(whole[strings.Index(whole, "7:"):])
	export, backup, imported, copied := filepath.Join(dir, "h.ndjson"), filepath.Join(dir, "b.db"), filepath.Join(dir, "i.db"), filepath.Join(dir, "c.db")
	if err := os.WriteFile(export, []byte(do("history", "export", "--store", address)), 0o600); err != nil {
		t.Fatal(err)
	}
	do("history", "backup", backup, "--store", address)
	do("history", "import", export, "--into", imported)
	do("history", "copy", imported, copied)
	for _, s := range []string{backup, imported, copied} {
		if got := do("history", "verify", "--store", s, "--noted", end); got != whole {
			t.Errorf("%s: %s", s, got)
		}
	}
	do("history", "copy", imported, copied) // again
	other := fmt.Sprint("7:", strings.Repeat("0", 64))
	if code, _, errs := said(t, "history", "verify", "--store", copied, "--noted", other); code != 1 || !strings.Contains(errs, "record 7: it is another one than was noted") {
		t.Errorf("a chain that was made anew: exit code %d, %s", code, errs)
	}
	if code, _, errs := said(t, "history", "backup", backup, "--store", address); code != 1 || !strings.Contains(errs, "exists") {
		t.Errorf("a backup over another one: exit code %d, %s", code, errs)
	}
}

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("", 2*3600)
	now := time.Date(2026, 3, 3, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"2026-03-03T10:00Z":         time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC),
		"2026-03-03T10:00:01.5Z":    time.Date(2026, 3, 3, 10, 0, 1, 5e8, time.UTC),
		"2026-03-03T10:00:00+05:00": time.Date(2026, 3, 3, 5, 0, 0, 0, time.UTC),
		"2026-03-03T10:00":          time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC),
		"2026-03-03 10:00":          time.Date(2026, 3, 3, 8, 0, 0, 0, time.UTC),
		"2026-03-03":                time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC),
		"90m":                       time.Date(2026, 3, 3, 8, 30, 0, 0, time.UTC),
		"7d":                        time.Date(2026, 2, 24, 10, 0, 0, 0, time.UTC),
		"now":                       now,
		"0.5d":                      time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC),
	} {
		if got, err := parseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "d", "-1h", "-1d", "NaNd", "1e9d", "10:00", "2026-13-01", "yesterday"} {
		if got, err := parseTime(bad, now); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}
