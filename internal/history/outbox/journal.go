package outbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/history"
)

// mostJournal is how long a journal may get before what was stored meanwhile is taken out of it.
const mostJournal = 2 * mostSize

// journal is a file of what waits and of what is about to be done, one in a line, so that what was taken outlives the process. It is not synced: a process may die
// at any time, and a machine that does is not what it is for.
type journal struct {
	file *os.File
	size int64
}

// note is a line of a journal that is no record.
type note struct {
	Intent    *history.Intent `json:"intent,omitempty"`
	Withdrawn string          `json:"withdrawn,omitempty"` // the key of one
}

// held is what a journal holds: records that wait, and intents of which neither a record nor a withdrawal tells what became of them.
type held struct {
	records []history.Record
	intents []history.Intent
	skipped int // lines that make no sense, such as one that a process died while it wrote
}

func (h *held) settle(key string) {
	h.intents = slices.DeleteFunc(h.intents, func(i history.Intent) bool { return i.Record.Key == key })
}

// take takes in a line, or reports that it makes no sense.
func (h *held) take(line []byte) bool {
	var n note
	if err := json.Unmarshal(line, &n); err != nil {
		return false
	}
	var err error
	switch {
	case n.Intent != nil:
		if n.Intent.Record, err = history.Fit(n.Intent.Record); err == nil {
			h.settle(n.Intent.Record.Key)
			h.intents = append(h.intents, *n.Intent)
		}
	case n.Withdrawn != "":
		h.settle(n.Withdrawn)
	default:
		var r history.Record
		if err = json.Unmarshal(line, &r); err == nil {
			r, err = history.Fit(r)
		}
		if err == nil {
			h.settle(r.Key)
			h.records = append(h.records, r)
		}
	}
	return err == nil
}

// openJournal opens a journal, or begins one, and returns what it holds.
func openJournal(path string) (j *journal, left held, err error) {
	err = os.MkdirAll(filepath.Dir(path), 0o700)
	var file *os.File
	if err == nil {
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	}
	if err != nil {
		return nil, left, fmt.Errorf("open the journal of the history: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, 2*mostJournal))
	if err == nil && len(text) > 0 && text[len(text)-1] != '\n' {
		_, err = file.WriteString("\n") // what follows begins a line of its own
	}
	if err != nil {
		_ = file.Close()
		return nil, left, fmt.Errorf("read the journal of the history: %w", err)
	}
	for line := range bytes.Lines(text) {
		if !left.take(line) {
			left.skipped++
		}
	}
	return &journal{file: file, size: int64(len(text))}, left, nil
}

// add writes a record, or a note, in one piece.
func (j *journal) add(r any) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	n, err := j.file.Write(append(line, '\n'))
	if j.size += int64(n); err != nil && n > 0 {
		_, _ = j.file.WriteString("\n")
	}
	return err
}

// clear empties the journal.
func (j *journal) clear() error {
	if j.size == 0 {
		return nil
	}
	err := j.file.Truncate(0)
	if err == nil {
		j.size = 0
	}
	return err
}

// keep puts a journal of these alone in the place of this one.
func (j *journal) keep(records []history.Record, intents []history.Intent) error {
	path := j.file.Name()
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh, _, err := openJournal(path + ".new")
	if err != nil {
		return err
	}
	for _, r := range records {
		if err == nil {
			err = fresh.add(r)
		}
	}
	for _, i := range intents {
		if err == nil {
			err = fresh.add(note{Intent: &i})
		}
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	_ = fresh.file.Close()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_ = j.file.Close()
	j.file, j.size = file, fresh.size
	return nil
}
