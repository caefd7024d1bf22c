package odb

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/source"
)

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

// FuzzAnswer: what git cat-file answers is read as what was asked for, or the process is given up; no more memory is taken than was allowed.
func FuzzAnswer(f *testing.F) {
	a, b := source.ID(strings.Repeat("1", 40)), source.ID(strings.Repeat("2", 40))
	f.Add([]byte(string(a) + " blob 3\nabc\n" + string(b) + " missing\n"))
	f.Add([]byte(string(a) + " commit 0\n\n" + string(b) + " tree 1\n\x00\n"))
	f.Add([]byte(string(a) + " tag -1\n"))
	f.Add([]byte(string(a) + " blob 9223372036854775807\nx"))
	f.Add([]byte(string(b) + " blob 3\nabc\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		open := func() *process {
			return &process{in: nowhere{io.Discard}, out: bufio.NewReader(bytes.NewReader(data))}
		}
		p := open()
		heads, err := p.infos([]source.ID{a})
		if (err != nil) != p.broken {
			t.Errorf("broken %t after %v", p.broken, err)
		}
		line, _, _ := strings.Cut(string(data), "\n")
		if words := strings.Fields(line); err == nil && (words[0] != string(a) || heads[0].kind != "" && (words[1] != heads[0].kind || words[2] == "") || heads[0].size < 0) {
			t.Errorf("%q is read as %+v", line, heads[0])
		}
		p = open()
		all, err := p.contents([]source.ID{a, b}, 1000)
		if (err != nil) != p.broken {
			t.Errorf("broken %t after %v", p.broken, err)
		}
		size := 0
		for _, content := range all {
			size += len(content)
			if err == nil && !bytes.Contains(data, content) {
				t.Errorf("%q is not in %q", content, data)
			}
		}
		if err == nil && size > len(data) {
			t.Errorf("%d bytes of content in an answer of %d", size, len(data))
		}
	})
}
