package testkit

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
)

// Metrics are the series of a process at one moment: value by name and labels, as Prometheus reads them.
type Metrics map[string]float64

// Metrics asks the controller for its metrics.
func (c *Controller) Metrics(ctx context.Context) (Metrics, error) {
	text, err := c.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	m := Metrics{}
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		line := s.Text()
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
func (m Metrics) Sum(selector string) float64 {
	name, want := series(selector)
	sum := 0.0
	for s, v := range m {
		n, labels := series(s)
		if n != name {
			continue
		}
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
func (m Metrics) Minus(before Metrics) Metrics {
	out := maps.Clone(m)
	for s, v := range before {
		out[s] -= v
	}
	return out
}

func series(text string) (name string, labels map[string]string) {
	name, rest, _ := strings.Cut(text, "{")
	labels = map[string]string{}
	for _, x := range label.FindAllStringSubmatch(rest, -1) {
		labels[x[1]] = x[2]
	}
	return name, labels
}

// Idle reports whether no reconciler has anything to do now.
func (m Metrics) Idle() bool {
	return m.Sum("workqueue_depth") == 0 && m.Sum("controller_runtime_active_workers") == 0
}
