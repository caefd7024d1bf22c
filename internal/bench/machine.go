package bench

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/bench/figures"
)

// machine says where this runs, and what is measured. What cannot be told is empty.
func machine(ctx context.Context, program string) figures.Machine {
	m := figures.Machine{Cores: runtime.NumCPU(), CPU: runtime.GOARCH, Date: time.Now().UTC().Format(time.RFC3339)}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	var build struct{ Commit, Go string }
	if out, err := exec.CommandContext(ctx, program, "version", "-o", "json").Output(); err == nil && json.Unmarshal(out, &build) == nil {
		m.Commit, m.Go = build.Commit, build.Go
	}
	return m
}
