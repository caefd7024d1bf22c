package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Hash is the SHA-256 of a record as a line without its hash. The zero Hash is before the first record.
type Hash [sha256.Size]byte

// String prints it in hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText prints it for JSON.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText printed.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("want %d hexadecimal digits", hex.EncodedLen(len(h)))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Link is a place in a chain: everything up to there follows from it. The zero Link is before the first record.
type Link struct {
	Seq  uint64 `json:"seq"`
	Hash Hash   `json:"hash"`
}

// String prints it to be noted somewhere else: SEQ:HASH.
func (h Link) String() string { return strconv.FormatUint(h.Seq, 10) + ":" + h.Hash.String() }

// ParseLink reads what String printed.
func ParseLink(s string) (Link, error) {
	var h Link
	seq, hash, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(seq, 10, 63)
	if err == nil {
		err = h.Hash.UnmarshalText([]byte(hash))
	}
	if !ok || err != nil {
		return Link{}, fmt.Errorf("%q: want SEQ:HASH, as 'fairlead history verify' prints it", clip(s, 100))
	}
	h.Seq = n
	return h, nil
}

// Link is the place of this record.
func (r Record) Link() Link { return Link{Seq: r.Seq, Hash: r.Hash} }

// Seal puts a record behind the end of a chain: it gives it its place and its hashes.
func Seal(r Record, end Link) (Record, error) {
	r.Seq, r.Prev = end.Seq+1, end.Hash
	body, err := r.body()
	if err != nil {
		return Record{}, err
	}
	r.Hash = sha256.Sum256(body)
	return r, nil
}

// body is what is hashed: a JSON object in one line, in the order of Record's fields, those that are empty left out.
func (r Record) body() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("print record %s: %w", r.Key, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// A line ends in the hash of the object that it is without it:
//
//	{"seq":1,…,"prev":"0000…"}                     is hashed
//	{"seq":1,…,"prev":"0000…","hash":"9f86…"}      is the line
const (
	hashOpens  = `,"hash":"`
	hashCloses = `"}`
	hashLength = len(hashOpens) + 2*sha256.Size + len(hashCloses)
)

// Line prints a sealed record as it is stored, exported and sent: one line of JSON, without an end of line.
func (r Record) Line() ([]byte, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(body); sum != r.Hash {
		return nil, fmt.Errorf("record %d is not sealed, or was changed since", r.Seq)
	}
	return fmt.Appendf(body[:len(body)-1], "%s%s%s", hashOpens, r.Hash, hashCloses), nil
}

// ErrChanged is what is wrong with a line that does not have the hash that it says.
var ErrChanged = errors.New("it was changed: it does not have the hash that it says")

// ParseLine reads a line, and finds it to be as it was printed: fields that a later version wrote count for the hash, and are left out of the record.
func ParseLine(line []byte) (Record, error) {
	var r Record
	line = bytes.TrimSuffix(line, []byte("\n"))
	at := len(line) - hashLength
	if at < 1 || !bytes.HasPrefix(line[at:], []byte(hashOpens)) || !bytes.HasSuffix(line, []byte(hashCloses)) {
		return r, errors.New("it does not end in a hash: it is no record, or was cut off")
	}
	var hash Hash
	if err := hash.UnmarshalText(line[at+len(hashOpens) : len(line)-len(hashCloses)]); err != nil {
		return r, ErrChanged
	}
	body := append(line[:at:at], '}')
	if sha256.Sum256(body) != hash {
		return r, ErrChanged
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return Record{}, fmt.Errorf("it is no record: %w", err)
	}
	r.Hash = hash
	return r, nil
}
