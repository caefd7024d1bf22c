package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Answer is what a server says to a [Fetch].
type Answer struct {
	Shallow   []string // commits whose parents the server leaves out
	Unshallow []string // commits whose parents it now sends
	// Pack is the pack, nil if the server sent none. It must be read before anything else is read from the Reader.
	Pack io.Reader
}

// ReadAnswer reads the answer to f up to the pack.
func ReadAnswer(r *Reader, a Advert, f Fetch) (Answer, error) {
	var ans Answer
	var err error
	if a.Version == 2 {
		ans, err = readAnswer2(r)
	} else {
		ans, err = readAnswer0(r, a, f)
	}
	if err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	return ans, nil
}

func readAnswer2(r *Reader) (Answer, error) {
	var ans Answer
	for {
		kind, section, err := r.line()
		if err != nil {
			return ans, err
		}
		if kind != Data {
			return ans, nil
		}
		if section == "packfile" {
			ans.Pack = &sideband{r: r}
			return ans, nil
		}
		kind, err = ans.readSection(r, section)
		if err != nil || kind == Flush {
			return ans, err
		}
	}
}

// readSection reads a section of version 2 and returns how it ended: a flush ends the answer, a delimiter the section.
func (a *Answer) readSection(r *Reader, section string) (Kind, error) {
	for {
		kind, text, err := r.line()
		if err != nil || kind != Data {
			return kind, err
		}
		if section == "shallow-info" {
			if err := a.addShallow(text); err != nil {
				return kind, err
			}
		}
	}
}

func (a *Answer) addShallow(text string) error {
	word, id, _ := strings.Cut(text, " ")
	switch {
	case word == "shallow" && isID(id):
		a.Shallow = append(a.Shallow, id)
	case word == "unshallow" && isID(id):
		a.Unshallow = append(a.Unshallow, id)
	default:
		return fmt.Errorf("%q is not about shallow commits", clean(text))
	}
	return nil
}

func readAnswer0(r *Reader, adv Advert, f Fetch) (Answer, error) {
	var ans Answer
	if f.Depth > 0 {
		if _, err := ans.readSection(r, "shallow-info"); err != nil {
			return ans, err
		}
	}
	for {
		kind, text, err := r.line()
		if err != nil {
			return ans, err
		}
		words := strings.Fields(text)
		switch {
		case kind != Data || len(words) == 0:
			return ans, errors.New("no acknowledgement before the pack")
		case words[0] == "ACK" && len(words) > 2:
			continue // "common" and "ready": the last one has no word behind the id
		case words[0] != "ACK" && words[0] != "NAK":
			return ans, fmt.Errorf("%q is no acknowledgement", clean(text))
		}
		ans.Pack = io.Reader(r.r)
		if adv.Has("side-band-64k") {
			ans.Pack = &sideband{r: r}
		}
		return ans, nil
	}
}

// sideband reads the data channel: 1 is data, 2 progress, 3 an error of the server.
type sideband struct {
	r    *Reader
	rest []byte
	err  error
	told func([]byte) // gets what comes on channel 2; nil drops it
}

func (s *sideband) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.rest, s.err = s.next()
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *sideband) next() ([]byte, error) {
	kind, payload, err := s.r.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read pack: %w", io.ErrUnexpectedEOF)
	case err != nil:
		return nil, fmt.Errorf("read pack: %w", err)
	case kind != Data:
		return nil, io.EOF
	case len(payload) == 0:
		return nil, nil
	}
	switch payload[0] {
	case 1:
		return payload[1:], nil
	case 2:
		if s.told != nil {
			s.told(payload[1:])
		}
		return nil, nil
	case 3:
		return nil, &ServerError{Text: clean(string(bytes.TrimSpace(payload[1:])))}
	}
	return nil, fmt.Errorf("read pack: channel %d is unknown", payload[0])
}
