package figures

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Tolerance is how much of a time or of an amount may be added before it counts as worse: what one machine varies by from run to run.
const Tolerance = 0.25

// Difference is one figure that is not what it was.
type Difference struct {
	// Run names the workload, Key the figure in the file.
	Run, Key string
	Worse    bool
	// Text says both values.
	Text string
}

// Comparison is what became of the figures of one file in another.
type Comparison struct {
	Differences []Difference
	// Compared is how many figures both have; Missing are those that only one has, or that lack a raw limit to be compared by.
	Compared int
	Missing  []string
}

// Worse is how many figures got worse.
func (c Comparison) Worse() int {
	n := 0
	for _, d := range c.Differences {
		if d.Worse {
			n++
		}
	}
	return n
}

// Compare compares the runs of equal workloads: counts exactly, times as multiples of each run's own raw limit, memory as it is. Times and amounts within the
// tolerance, a part such as 0.25, are equal.
func Compare(before, after []Run, tolerance float64) Comparison {
	var c Comparison
	for _, a := range before {
		found := false
		for _, b := range after {
			if a.name() == b.name() {
				found = true
				c.compare(a, b, tolerance)
			}
		}
		if !found {
			c.Missing = append(c.Missing, a.name())
		}
	}
	for _, b := range after {
		if !contains(before, b.name()) {
			c.Missing = append(c.Missing, b.name())
		}
	}
	return c
}

func contains(runs []Run, name string) bool {
	for _, r := range runs {
		if r.name() == name {
			return true
		}
	}
	return false
}

func (r Run) name() string { return fmt.Sprintf("%dx%d", r.N, r.ObjectsPerApp) }

func (c *Comparison) compare(a, b Run, tolerance float64) {
	for _, f := range figures() {
		if strings.HasPrefix(f.key, "raw_limit.") {
			continue
		}
		was, had := f.of(a)
		is, has := f.of(b)
		if !had && !has {
			continue
		}
		if had != has || f.kind == duration && (a.raw() == 0 || b.raw() == 0) {
			c.Missing = append(c.Missing, a.name()+" "+f.key)
			continue
		}
		c.Compared++
		if d, ok := f.differs(a, b, was, is, tolerance); ok {
			d.Run, d.Key = a.name(), f.key
			c.Differences = append(c.Differences, d)
		}
	}
}

// differs reports whether a value is another one.
func (f figure) differs(a, b Run, was, is, tolerance float64) (Difference, bool) {
	if f.kind == count {
		return Difference{Worse: is > was, Text: fmt.Sprintf("%.0f, was %.0f", is, was)}, is != was
	}
	x, y := was, is
	text := fmt.Sprintf("%s, was %s", f.print(is), f.print(was))
	if f.kind == duration {
		x, y = f.seconds(was)/a.raw(), f.seconds(is)/b.raw()
		text += fmt.Sprintf("; %.3f × raw, was %.3f ×", y, x)
	}
	if y <= x*(1+tolerance) && x <= y*(1+tolerance) || math.Abs(is-was) <= f.noise() {
		return Difference{}, false
	}
	return Difference{Worse: y > x, Text: text}, true
}

// noise is what a value varies by whatever its size: the kernel counts CPU in hundredths of a second.
func (f figure) noise() float64 {
	switch f.unit {
	case "s":
		return 0.05
	case "ms":
		return 3
	}
	return 5
}

// Print prints what differs, what is worse first, and how many figures were compared.
func (c Comparison) Print(w io.Writer) error {
	var b strings.Builder
	for _, worse := range []bool{true, false} {
		for _, d := range c.Differences {
			if d.Worse == worse {
				fmt.Fprintf(&b, "%-6s  %-8s  %s: %s\n", word(worse), d.Run, d.Key, d.Text)
			}
		}
	}
	for _, m := range c.Missing {
		fmt.Fprintf(&b, "not compared: %s\n", m)
	}
	fmt.Fprintf(&b, "%d figures compared: %d worse, %d better\n", c.Compared, c.Worse(), len(c.Differences)-c.Worse())
	_, err := io.WriteString(w, b.String())
	return err
}

func word(worse bool) string {
	if worse {
		return "worse"
	}
	return "better"
}
