package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// The stored form is small because one is kept per app: a list per directory, [path, id, input...]. The id has a "*" before it if the
// directory was listed; an input is its kind, its id and, last because it may hold anything, its name.
type stored struct {
	Dirs   [][]string `json:"dirs,omitempty"`
	Broken bool       `json:"broken,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (in Inputs) MarshalJSON() ([]byte, error) {
	s := stored{Broken: in.broken}
	for _, d := range in.dirs {
		id := string(d.id)
		if d.listed {
			id = "*" + id
		}
		row := []string{d.path, id}
		for _, e := range d.inputs {
			row = append(row, string(e.kind)+string(e.id)+" "+e.name)
		}
		s.Dirs = append(s.Dirs, row)
	}
	return json.Marshal(s)
}

// UnmarshalJSON implements json.Unmarshaler. What it cannot read is an error: forgotten inputs only cost a render.
func (in *Inputs) UnmarshalJSON(data []byte) error {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("read inputs: %w", err)
	}
	out := Inputs{broken: s.Broken}
	for i, row := range s.Dirs {
		d, err := readDir(row)
		if err != nil {
			return fmt.Errorf("read inputs: %w", err)
		}
		if i > 0 && byElements(out.dirs[i-1].path, d.path) >= 0 {
			return fmt.Errorf("read inputs: %q is out of order", d.path)
		}
		out.dirs = append(out.dirs, d)
	}
	*in = out
	return nil
}

func readDir(row []string) (inputDir, error) {
	if len(row) < 2 || !fs.ValidPath(row[0]) {
		return inputDir{}, errors.New("a directory without a path")
	}
	id, listed := strings.CutPrefix(row[1], "*")
	d := inputDir{path: row[0], id: ID(id), listed: listed}
	for _, text := range row[2:] {
		head, name, ok := strings.Cut(text, " ")
		if !ok || head == "" || !fs.ValidPath(name) || strings.Contains(name, "/") || name == "." {
			return inputDir{}, fmt.Errorf("%q is no input", text)
		}
		d.inputs = append(d.inputs, input{name: name, kind: kind(head[0]), id: ID(head[1:])})
	}
	return d, nil
}
