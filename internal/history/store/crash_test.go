package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/history"
)

// writerVariable lets this program append to the store that it names, instead of testing, and print what Append confirmed.
const writerVariable = "FAIRLEAD_TEST_APPEND"

func TestMain(m *testing.M) {
	if address := os.Getenv(writerVariable); address != "" {
		_, _ = fmt.Fprintln(os.Stderr, appendForever(address))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func appendForever(address string) error {
	ctx := context.Background()
	s, err := Create(ctx, address)
	if err != nil {
		return err
	}
	end, err := s.End(ctx)
	if err != nil {
		return err
	}
	for n := int(end.Seq); ; n += 3 {
		added, err := s.Append(ctx, records(n, n+3))
		if err != nil {
			return err
		}
		for _, r := range added {
			_, _ = fmt.Fprintln(os.Stdout, "stored:", r.Key)
		}
	}
}

// TestKilledWhileItAppends: what was confirmed is there, each append is there whole or not at all, and the next process goes on.
func TestKilledWhileItAppends(t *testing.T) {
	each(t, func(t *testing.T, address func() string) {
		at := address()
		confirmed := map[string]bool{}
		for round := range 5 {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), writerVariable+"="+at)
			var said strings.Builder
			cmd.Stderr = &said
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := 0
			for s := bufio.NewScanner(out); s.Scan(); {
				if key, ok := strings.CutPrefix(s.Text(), "stored: "); ok {
					confirmed[key] = true
				}
				if lines++; lines == 10+7*round {
					_ = cmd.Process.Kill()
				}
			}
			_ = cmd.Wait()
			if lines < 10 {
				t.Fatalf("it ended by itself after %d lines: %s", lines, said.String())
			}
		}
		s := created(t, at)
		v := verified(t, s)
		there := map[string]bool{}
		for _, r := range found(t, s, history.Query{}) {
			there[r.Key] = true
		}
		for key := range confirmed {
			if !there[key] {
				t.Errorf("%s was confirmed, and is not there", key)
			}
		}
		if v.Records%3 != 0 || int(v.Records) < len(confirmed) {
			t.Errorf("%d records are there, which were appended by three, and %d were confirmed", v.Records, len(confirmed))
		}
	})
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func importFile(t *testing.T, s *Store, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := s.Import(t.Context(), Scan(f)); err != nil {
		t.Fatal(err)
	}
}
