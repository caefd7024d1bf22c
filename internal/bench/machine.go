package bench

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strconv"
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

// load is how much CPU was used from some moment on, by this program with all that it started, and by all programs.
type load struct {
	began     time.Time
	own, busy time.Duration
}

func loadNow() load {
	l := load{began: time.Now()}
	if u, err := used(os.Getpid()); err == nil {
		l.own = u.cpu
	}
	if data, err := os.ReadFile("/proc/stat"); err == nil {
		l.busy = parseBusy(string(data))
	}
	return l
}

// others is how many percent of all CPU other programs have used since; 0 if that cannot be told.
func (l load) others() float64 {
	now := loadNow()
	if now.busy == 0 || now.own == 0 {
		return 0
	}
	all := now.began.Sub(l.began).Seconds() * float64(runtime.NumCPU())
	return figures.Round(max(0, 100*((now.busy-l.busy)-(now.own-l.own)).Seconds()/all))
}

// parseBusy adds up the times of the first line of /proc/stat but for those in which nothing was done. What other virtual machines took counts as busy.
func parseBusy(stat string) time.Duration {
	line, _, _ := strings.Cut(stat, "\n")
	var sum time.Duration
	for i, f := range strings.Fields(line) {
		// cpu user nice system idle iowait irq softirq steal; guests are in user already
		if n, err := strconv.ParseInt(f, 10, 64); err == nil && i != 4 && i != 5 && i <= 8 {
			sum += time.Duration(n) * tick
		}
	}
	return sum
}
