package history_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
)

var day = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)

// sample is a record of which only the key matters.
func sample(n int) history.Record {
	return history.Record{
		Time: day.Add(time.Duration(n) * time.Minute), Kind: history.Hold, Key: fmt.Sprint("hold ", n),
		Namespace: "shop", Environment: "production", App: "web", Phase: history.Held, Why: "delete of <Service> & \"more\"\u2028",
	}
}

// chain seals records one after the other.
func chain(t interface{ Fatal(...any) }, end history.Link, records ...history.Record) [][]byte {
	var lines [][]byte
	for _, r := range records {
		r, err := history.Fit(r)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = history.Seal(r, end); err != nil {
			t.Fatal(err)
		}
		line, err := r.Line()
		if err != nil {
			t.Fatal(err)
		}
		lines, end = append(lines, line), r.Link()
	}
	return lines
}

func samples(n int) []history.Record {
	var out []history.Record
	for i := range n {
		out = append(out, sample(i))
	}
	return out
}

func each(lines [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, l := range lines {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func link(t interface{ Fatal(...any) }, line []byte) history.Link {
	r, err := history.ParseLine(line)
	if err != nil {
		t.Fatal(err)
	}
	return r.Link()
}

func TestVerifyFindsAnyChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := chain(t, history.Link{}, samples(rapid.IntRange(3, 12).Draw(t, "records"))...)
		whole, err := history.Verify(each(lines))
		if err != nil || whole.Records != uint64(len(lines)) || whole.End != link(t, lines[len(lines)-1]) {
			t.Fatalf("a chain that nobody touched: %+v, %v", whole, err)
		}
		at := rapid.IntRange(0, len(lines)-2).Draw(t, "at")
		bad := slices.Clone(lines)
		want := uint64(at + 1)
		switch rapid.SampledFrom([]string{"change", "remove", "insert", "swap", "replace"}).Draw(t, "what") {
		case "change":
			bad[at] = bytes.Clone(bad[at])
			i := rapid.IntRange(0, len(bad[at])-1).Draw(t, "byte")
			bad[at][i] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		case "remove":
			bad = slices.Delete(bad, at, at+1)
		case "insert":
			bad = slices.Insert(bad, at, chain(t, history.Link{}, sample(99))[0])
			if at == 0 {
				want = 2 // it is as good a first record as any: the one that was the first does not follow it
			}
		case "swap":
			bad[at], bad[at+1] = bad[at+1], bad[at]
			if at == 0 {
				want = 3 // a chain may begin with its second record, and that the first one was dropped with age is known at the end alone
			}
		case "replace": // with a good hash of its own
			r, err := history.ParseLine(bad[at])
			if err != nil {
				t.Fatal(err)
			}
			r.Why = "nothing happened"
			if r, err = history.Seal(r, history.Link{Seq: r.Seq - 1, Hash: r.Prev}); err != nil {
				t.Fatal(err)
			}
			if bad[at], err = r.Line(); err != nil {
				t.Fatal(err)
			}
			want++
		}
		_, err = history.Verify(each(bad))
		var b *history.Broken
		if !errors.As(err, &b) {
			t.Fatalf("what is wrong with record %d was not found: %v", want, err)
		}
		if b.Seq != want {
			t.Fatalf("record %d is the first bad one: %v", want, err)
		}
	})
}

func TestVerifyEnd(t *testing.T) {
	lines := chain(t, history.Link{}, samples(5)...)
	last, third := link(t, lines[4]), link(t, lines[2])
	other := history.Link{Seq: 3, Hash: last.Hash}
	for name, c := range map[string]struct {
		lines [][]byte
		noted []history.Link
		want  string
	}{
		"as it was":                {lines, []history.Link{third, last}, ""},
		"it went on":               {lines, []history.Link{third}, ""},
		"nothing yet":              {nil, nil, ""},
		"the end is missing":       {lines[:3], []history.Link{last}, "record 4: it is missing, with all after it: there was a record 5"},
		"all is missing":           {nil, []history.Link{last}, "record 1: it is missing, with all after it: there was a record 5"},
		"all was made anew":        {lines, []history.Link{other}, "record 3: it is another one than was noted: its hash is " + third.Hash.String() + ", and " + last.Hash.String() + " was noted"},
		"the beginning is missing": {lines[2:], nil, "record 1: it is missing, and no record says that it was dropped with age"},
	} {
		_, err := history.Verify(each(c.lines), c.noted...)
		if got := text(err); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestVerifyRetention(t *testing.T) {
	lines := chain(t, history.Link{}, samples(5)...)
	second := link(t, lines[1])
	retention := sample(6)
	retention.Kind, retention.Phase, retention.Dropped = history.Retention, "", &second
	lines = append(lines, chain(t, link(t, lines[4]), retention)...)
	for name, c := range map[string]struct {
		from int
		want string
	}{
		"dropped as it says": {2, ""},
		"dropped too few":    {1, "record 2: it is there, and record 6 says that all up to 2 were dropped"},
		"dropped none":       {0, "record 1: it is there, and record 6 says that all up to 2 were dropped"},
		"dropped too many":   {3, "record 3: it is missing, and not among those that record 6 says were dropped with age"},
	} {
		v, err := history.Verify(each(lines[c.from:]), second)
		if got := text(err); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
		if err == nil && v.Dropped != second {
			t.Errorf("%s: dropped %v, want %v", name, v.Dropped, second)
		}
	}
}

// TestLine holds the form of a line to what docs/tasks/history.md tells people who verify with tools of their own.
func TestLine(t *testing.T) {
	line := chain(t, history.Link{}, sample(0))[0]
	const want = `{"seq":1,"time":"2026-03-03T00:00:00Z","kind":"Hold","key":"hold 0","namespace":"shop","environment":"production","app":"web",` +
		`"phase":"Held","why":"delete of <Service> & \"more\"\u2028","prev":"0000000000000000000000000000000000000000000000000000000000000000"`
	body := want + "}"
	sum := sha256.Sum256([]byte(body))
	if got, want := string(line), want+`,"hash":"`+hex.EncodeToString(sum[:])+`"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	later := strings.Replace(body, `"kind"`, `"mood":"good","kind"`, 1)
	sum = sha256.Sum256([]byte(later))
	r, err := history.ParseLine([]byte(strings.TrimSuffix(later, "}") + `,"hash":"` + hex.EncodeToString(sum[:]) + `"}`))
	if err != nil || r.Key != "hold 0" {
		t.Errorf("a line of a later version: %+v, %v", r, err)
	}
	r.Why = "changed"
	if _, err := r.Line(); err == nil {
		t.Error("a record that was changed after it was sealed has a line")
	}
}

func TestLink(t *testing.T) {
	h := link(t, chain(t, history.Link{}, sample(0))[0])
	if got, err := history.ParseLink(h.String()); err != nil || got != h {
		t.Errorf("%s is read as %s, %v", h, got, err)
	}
	for _, bad := range []string{"", "1", "1:", "-1:" + h.Hash.String(), h.String() + "0", "x" + h.String(), h.Hash.String()} {
		if got, err := history.ParseLink(bad); err == nil {
			t.Errorf("%q is read as %s", bad, got)
		}
	}
}

func TestFit(t *testing.T) {
	for name, change := range map[string]func(*history.Record){
		"no key":         func(r *history.Record) { r.Key = "" },
		"long key":       func(r *history.Record) { r.Key = strings.Repeat("k", history.MostKey+1) },
		"no kind":        func(r *history.Record) { r.Kind = "" },
		"no time":        func(r *history.Record) { r.Time = time.Time{} },
		"far time":       func(r *history.Record) { r.Time = day.AddDate(1000, 0, 0) },
		"no environment": func(r *history.Record) { r.Environment = "" },
		"no namespace":   func(r *history.Record) { r.Namespace = "" },
		"a zero byte":    func(r *history.Record) { r.App = "we\x00b" },
		"bad UTF-8":      func(r *history.Record) { r.Key = "we\xffb" },
		"long name":      func(r *history.Record) { r.App = strings.Repeat("a", history.MostName+1) },
		"bad serial":     func(r *history.Record) { r.Serial = -1 },
	} {
		r := sample(0)
		change(&r)
		if _, err := history.Fit(r); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFitCutsOff(t *testing.T) {
	long := strings.Repeat("\x01", 1<<20)
	r := sample(0)
	r.Who, r.Why, r.Plan = long, long, "ok \xff "+strings.Repeat("ü", history.MostPlan)
	r.Time = day.In(time.FixedZone("", 3600)).Add(time.Nanosecond)
	version := history.Version{Commit: long, Author: long, Digest: long, Committed: day.AddDate(-1000, 0, 0)}
	for i := range 2 * history.MostImages {
		version.Images = append(version.Images, fmt.Sprintf("%03d%s", i, long), fmt.Sprintf("%03d%s", i, long))
	}
	r.Want, r.Back = version, version
	given := slices.Clone(version.Images)
	fit, err := history.Fit(r)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(version.Images, given) {
		t.Error("the images of who recorded were changed")
	}
	if !strings.HasPrefix(fit.Plan, "ok � ") || !strings.HasSuffix(fit.Plan, "ü…") || len(fit.Plan) > history.MostPlan || !fit.Time.Equal(day) {
		t.Errorf("plan %.20s… of %d bytes, time %s", fit.Plan, len(fit.Plan), fit.Time)
	}
	if n := len(fit.Want.Images); n != history.MostImages || fit.Want.Images[n-1] != "and 201 more" || !fit.Want.Committed.IsZero() {
		t.Errorf("%d images, the last is %s, committed %s", n, fit.Want.Images[n-1], fit.Want.Committed)
	}
	fit.Stands = &history.State{Want: fit.Want, Runs: fit.Want, Drifted: &history.Note{Why: fit.Why}, Suspended: &history.Note{Why: fit.Why}, Held: &history.Note{Why: fit.Why}}
	if line := chain(t, history.Link{}, fit)[0]; len(line) > history.MostLine {
		t.Errorf("a record of all that fits is a line of %d bytes", len(line))
	}
	again, err := history.Fit(fit)
	if err != nil || again.Plan != fit.Plan || again.Who != fit.Who {
		t.Error("what fits is cut off again")
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzParseLine: whatever is read as a record has the hash that it says, and nothing makes the reader fail.
func FuzzParseLine(f *testing.F) {
	f.Add(chain(f, history.Link{}, sample(0))[0])
	f.Add([]byte(`{"seq":1}`))
	f.Add([]byte(`,"hash":"` + strings.Repeat("0", 64) + `"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := history.ParseLine(line)
		if err != nil {
			return
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		body := append(bytes.Clone(line[:len(line)-75]), '}')
		if sha256.Sum256(body) != r.Hash {
			t.Errorf("%q is read as a record with the hash %s", line, r.Hash)
		}
	})
}
