package odb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/source"
)

// process is one running `git cat-file --batch-command --buffer`. One caller at a time.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	// broken is set by the first error: the stream is then at an unknown place and the process must be replaced.
	broken bool
}

// header is what Git knows of an object without its content. An object that is not there has an empty kind.
type header struct {
	kind string
	size int64
}

func start(cmd *exec.Cmd) (*process, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start git cat-file: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start git cat-file: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start git cat-file: %w", err)
	}
	return &process{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 64<<10)}, nil
}

func (p *process) stop() {
	_ = p.in.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // its error is the kill
}

// ask sends one command for each id and calls read for each answer in turn.
func (p *process) ask(command string, ids []source.ID, read func(i int, h header) error) error {
	var script []byte
	for _, id := range ids {
		script = fmt.Appendf(script, "%s %s\n", command, id)
	}
	// Git answers at the flush, so it has read every command by then: neither side can block the other.
	script = append(script, "flush\n"...)
	if _, err := p.in.Write(script); err != nil {
		p.broken = true
		return fmt.Errorf("ask git cat-file: %w", err)
	}
	for i, id := range ids {
		h, err := p.header(id)
		if err == nil {
			err = read(i, h)
		}
		if err != nil {
			p.broken = true
			return fmt.Errorf("ask git cat-file for %s: %w", id, err)
		}
	}
	return nil
}

// header reads "<id> <kind> <size>" or "<id> missing".
func (p *process) header(id source.ID) (header, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return header{}, err
	}
	f := strings.Fields(line)
	switch {
	case len(f) == 2 && f[0] == string(id) && f[1] == "missing":
		return header{}, nil
	case len(f) == 3 && f[0] == string(id):
		size, err := strconv.ParseUint(f[2], 10, 63)
		return header{kind: f[1], size: int64(size)}, err //nolint:gosec // 63 bits
	}
	return header{}, fmt.Errorf("answer %q is not understood", strings.TrimSpace(line))
}

// infos returns the headers of the objects, in order.
func (p *process) infos(ids []source.ID) ([]header, error) {
	all := make([]header, len(ids))
	err := p.ask("info", ids, func(i int, h header) error {
		all[i] = h
		return nil
	})
	return all, err
}

// contents returns the objects' bytes, in order; nil for one that is not there. None may be larger than most.
func (p *process) contents(ids []source.ID, most int64) ([][]byte, error) {
	all := make([][]byte, len(ids))
	err := p.ask("contents", ids, func(i int, h header) error {
		if h.kind == "" {
			return nil
		}
		if h.size > most {
			return fmt.Errorf("it has %d bytes, and was said to have at most %d", h.size, most)
		}
		all[i] = make([]byte, h.size)
		if _, err := io.ReadFull(p.out, all[i]); err != nil {
			return err
		}
		_, err := p.out.Discard(1) // the newline behind the content
		return err
	})
	return all, err
}
