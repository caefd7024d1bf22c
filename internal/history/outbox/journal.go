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

	"github.com/fairlead-cd/fairlead/internal/history"
)

// mostJournal is how long a journal may get before what was stored meanwhile is taken out of it.
const mostJournal = 2 * mostSize

// journal is a file of what waits, one record in a line, so that what was taken outlives the process. It is not synced: a process may die at any time, and a
// machine that does is not what it is for.
type journal struct {
	file *os.File
	size int64
}

// openJournal opens a journal, or begins one, and returns what it holds. What is no record, such as a line that a process died while it wrote, is skipped, and
// counted.
func openJournal(path string) (j *journal, left []history.Record, skipped int, err error) {
	err = os.MkdirAll(filepath.Dir(path), 0o700)
	var file *os.File
	if err == nil {
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	}
	if err != nil {
		return nil, nil, 0, fmt.Errorf("open the journal of the history: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, 2*mostJournal))
	if err == nil && len(text) > 0 && text[len(text)-1] != '\n' {
		_, err = file.WriteString("\n") // what follows begins a line of its own
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, 0, fmt.Errorf("read the journal of the history: %w", err)
	}
	for line := range bytes.Lines(text) {
		var r history.Record
		err := json.Unmarshal(line, &r)
		if err == nil {
			r, err = history.Fit(r)
		}
		if err != nil {
			skipped++
			continue
		}
		left = append(left, r)
	}
	return &journal{file: file, size: int64(len(text))}, left, skipped, nil
}

// add writes a record in one piece.
func (j *journal) add(r history.Record) error {
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

// keep puts a journal of these records alone in the place of this one.
func (j *journal) keep(records []history.Record) error {
	path := j.file.Name()
	if err := os.Remove(path + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh, _, _, err := openJournal(path + ".new")
	if err != nil {
		return err
	}
	for _, r := range records {
		if err == nil {
			err = fresh.add(r)
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
