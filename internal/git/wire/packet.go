package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Kind tells the packets apart.
type Kind uint8

// The kinds of packet: one with a payload, and the three special lengths 0000, 0001 and 0002.
const (
	Data Kind = iota
	Flush
	Delim
	End
)

// maxPacket is the largest packet, length included, that the protocol allows.
const maxPacket = 65520

// A ServerError is what the server said in an ERR packet or on the error channel of the side band.
type ServerError struct{ Text string }

// Error quotes the server.
func (e *ServerError) Error() string { return "server said: " + e.Text }

// ErrNotGit says that the bytes are not packets: a web page, usually.
var ErrNotGit = errors.New("answer is not the Git protocol")

// Reader reads packets.
type Reader struct {
	r   *bufio.Reader
	buf [maxPacket]byte
}

// NewReader returns a Reader over r. It may read ahead.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 32<<10)} }

// Next returns the next packet. The payload is valid until the next call. At the end of input it returns io.EOF; an
// ERR packet is a *ServerError.
func (r *Reader) Next() (Kind, []byte, error) {
	head := r.buf[:4]
	if n, err := io.ReadFull(r.r, head); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
			return Data, nil, fmt.Errorf("read packet: %w", io.ErrUnexpectedEOF)
		}
		return Data, nil, err
	}
	size, err := strconv.ParseUint(string(head), 16, 16)
	switch {
	case err != nil:
		return Data, nil, fmt.Errorf("%w: it starts with %q", ErrNotGit, head)
	case size == 0:
		return Flush, nil, nil
	case size == 1:
		return Delim, nil, nil
	case size == 2:
		return End, nil, nil
	case size < 4 || size > maxPacket:
		return Data, nil, fmt.Errorf("read packet: length %d is out of bounds", size)
	}
	payload := r.buf[:size-4]
	if _, err := io.ReadFull(r.r, payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Data, nil, fmt.Errorf("read packet: %w", err)
	}
	if text, ok := bytes.CutPrefix(payload, []byte("ERR ")); ok {
		return Data, nil, &ServerError{Text: clean(string(text))}
	}
	return Data, payload, nil
}

// line is Next for text: it drops the newline at the end and turns an early end of input into an error.
func (r *Reader) line() (Kind, string, error) {
	kind, payload, err := r.Next()
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("read packet: %w", io.ErrUnexpectedEOF)
	}
	return kind, strings.TrimSuffix(string(payload), "\n"), err
}

// message builds a request.
type message struct{ b []byte }

func (m *message) linef(format string, args ...any) {
	text := fmt.Sprintf(format, args...) + "\n"
	m.b = append(fmt.Appendf(m.b, "%04x", len(text)+4), text...)
}

func (m *message) flush() { m.b = append(m.b, "0000"...) }
func (m *message) delim() { m.b = append(m.b, "0001"...) }

// clean makes foreign text fit for an error: one line, printable, bounded.
func clean(text string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " ")))
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "…"
	}
	return text
}

// Bound returns a reader that fails with err once more than n bytes were read from r.
func Bound(r io.Reader, n int64, err error) io.Reader { return &bounded{r: r, left: n, err: err} }

type bounded struct {
	r    io.Reader
	left int64
	err  error
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, b.err
	}
	return n, err
}
