package series_test

import (
	"math"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/series"
)

const text = `# HELP a_total Something.
# TYPE a_total counter
a_total{verb="get",resource="x"} 2
a_total{verb="list",resource="x"} 3
a_total_other 100
workqueue_depth{name="app"} 0
b 1.5e+03
`

func TestSum(t *testing.T) {
	m, err := series.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for selector, want := range map[string]float64{
		"a_total": 5, `a_total{verb="get"}`: 2, `a_total{resource="x",verb="list"}`: 3, `a_total{verb="put"}`: 0, "b": 1500, "c": 0,
	} {
		if got := m.Sum(selector); got != want {
			t.Errorf("%s: got %v, want %v", selector, got, want)
		}
	}
	if !m.Idle() {
		t.Error("an empty queue is not idle")
	}
	later, err := series.Parse(`a_total{verb="get",resource="x"} 7` + "\n" + `d 1`)
	if err != nil {
		t.Fatal(err)
	}
	if got := later.Minus(m); got.Sum(`a_total{verb="get"}`) != 5 || got.Sum("d") != 1 {
		t.Errorf("the growth is %v", got)
	}
	if _, err := series.Parse("a b\n"); err == nil {
		t.Error("a value that is no number was taken")
	}
}

// FuzzParse: what is read can be asked for, and what did not change has not grown.
func FuzzParse(f *testing.F) {
	f.Add("# HELP a b\na{b=\"c\",d=\"e\\\"f\"} 1\na 2\nx NaN\n", `a{b="c"}`)
	f.Fuzz(func(t *testing.T, text, selector string) {
		m, err := series.Parse(text)
		if err != nil {
			return
		}
		m.Sum(selector)
		for s, v := range m.Minus(m) {
			if v != 0 && !math.IsNaN(v) {
				t.Errorf("%s has grown by %v", s, v)
			}
		}
	})
}
