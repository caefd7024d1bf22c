package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is what a process and all that it started have used, as /proc counts it.
type usage struct {
	cpu           time.Duration // in user and kernel mode, of children that have ended too
	peak, settled int64         // bytes: the most that was resident, and what is
}

// tick is the unit of /proc/PID/stat: the kernel shows hundredths of a second to programs, whatever its own clock.
const tick = 10 * time.Millisecond

// used adds up a process and those that descend from it.
func used(id int) (usage, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return usage{}, errors.New("read /proc: there are no processes in it: CPU and memory can be measured on Linux alone")
	}
	all := map[int]stat{}
	for _, path := range stats {
		if data, err := os.ReadFile(path); err == nil { // one that has ended meanwhile is no error
			if s, err := parseStat(data); err == nil {
				all[s.id] = s
			}
		}
	}
	if _, ok := all[id]; !ok {
		return usage{}, fmt.Errorf("read /proc: process %d is not there", id)
	}
	var sum usage
	for i, s := range all {
		if !descends(all, i, id) {
			continue
		}
		sum.cpu += s.cpu
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i))
		if err == nil {
			sum.peak += kilobytes(status, "VmHWM:") << 10
			sum.settled += kilobytes(status, "VmRSS:") << 10
		}
	}
	return sum, nil
}

func descends(all map[int]stat, id, from int) bool {
	for id != from {
		s, ok := all[id]
		if !ok || s.parent == id {
			return false
		}
		id = s.parent
	}
	return true
}

// stat is what is of interest in /proc/PID/stat.
type stat struct {
	id, parent int
	cpu        time.Duration
}

// parseStat reads the fields of proc(5). The name, in parentheses, may hold anything.
func parseStat(data []byte) (stat, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("read stat: no name in %q", data)
	}
	fields := strings.Fields(string(data[end+1:])) // the first is field 3
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("read stat: too few fields in %q", data)
	}
	id, err := strconv.Atoi(strings.TrimSpace(string(data[:open])))
	parent, err2 := strconv.Atoi(fields[1])
	s := stat{id: id, parent: parent}
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, e := strconv.ParseInt(f, 10, 64)
		err = errors.Join(err, e)
		s.cpu += time.Duration(n) * tick
	}
	return s, errors.Join(err, err2)
}

// kilobytes reads a line such as "VmRSS:   1234 kB"; 0 if it is not there.
func kilobytes(status []byte, name string) int64 {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}
