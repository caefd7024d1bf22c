package series

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
)

// Set is the series of a process at one moment: value by name and labels, as Prometheus reads them.
type Set map[string]float64

// Parse reads the text of /metrics.
func Parse(text string) (Set, error) {
	m := Set{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		i := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || i < 0 {
			continue
		}
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read metrics: %w", err)
		}
		m[line[:i]] = v
	}
	return m, nil
}

var label = regexp.MustCompile(`([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"`)

// Sum adds up all series of a name that have the given labels: `name`, or `name{a="b",c="d"}`.
func (m Set) Sum(selector string) float64 {
	name, want := Split(selector)
	sum := 0.0
	for s, v := range m {
		if rest, ok := strings.CutPrefix(s, name); !ok || rest != "" && rest[0] != '{' {
			continue
		}
		_, labels := Split(s)
		matches := true
		for k, x := range want {
			matches = matches && labels[k] == x
		}
		if matches {
			sum += v
		}
	}
	return sum
}

// Minus returns how much every series has grown.
func (m Set) Minus(before Set) Set {
	out := maps.Clone(m)
	for s, v := range before {
		out[s] -= v
	}
	return out
}

// Idle reports whether no reconciler of a controller has anything to do now. What waits for its time counts as nothing.
func (m Set) Idle() bool {
	return m.Sum("workqueue_depth") == 0 && m.Sum("controller_runtime_active_workers") == 0 && m.Sum("fairlead_statuses_waiting") == 0
}

// Split returns the name and the labels of a series or selector.
func Split(text string) (name string, labels map[string]string) {
	name, rest, _ := strings.Cut(text, "{")
	labels = map[string]string{}
	for _, x := range label.FindAllStringSubmatch(rest, -1) {
		labels[x[1]] = x[2]
	}
	return name, labels
}
