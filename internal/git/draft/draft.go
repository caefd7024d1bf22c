package draft

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // as Git has it
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/git/odb"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Draft is what is being made. It is not safe for concurrent use.
type Draft struct {
	format string
	read   func(source.ID) ([]odb.Entry, error)
	reads  int
	made   map[source.ID][]odb.Entry // the trees of it
	known  map[source.ID]bool
	pack   bytes.Buffer // of the objects so far, without what comes before and behind them
	count  uint32
}

// New begins a draft of a repository of an object format, sha1 or sha256, whose trees are read by a function.
func New(format string, read func(source.ID) ([]odb.Entry, error)) *Draft {
	return &Draft{format: format, read: read, made: map[source.ID][]odb.Entry{}, known: map[source.ID]bool{}}
}

// The kinds of object, as packs number them.
const (
	kindCommit = 1
	kindTree   = 2
)

var kinds = map[byte]string{kindCommit: "commit", kindTree: "tree"}

// add puts an object into the pack, once, and returns its id.
func (d *Draft) add(kind byte, data []byte) source.ID {
	h := newHash(d.format)
	_, _ = fmt.Fprintf(h, "%s %d\x00", kinds[kind], len(data))
	_, _ = h.Write(data)
	id := source.ID(hex.EncodeToString(h.Sum(nil)))
	if d.known[id] {
		return id
	}
	d.known[id] = true
	d.count++
	size := len(data)
	head := kind<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		d.pack.WriteByte(head | 0x80)
		head = byte(size & 0x7f)
	}
	d.pack.WriteByte(head)
	z := zlib.NewWriter(&d.pack)
	_, _ = z.Write(data) // into memory
	_ = z.Close()
	return id
}

// Pack is a pack of all that was made.
func (d *Draft) Pack() []byte {
	b := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), d.count)
	b = append(b, d.pack.Bytes()...)
	h := newHash(d.format)
	_, _ = h.Write(b)
	return h.Sum(b)
}

func newHash(format string) hash.Hash {
	if format == "sha256" {
		return sha256.New()
	}
	return sha1.New() //nolint:gosec // as Git has it
}

// tree makes a tree of entries; the zero ID if there is none: Git has no empty directories.
func (d *Draft) tree(entries []odb.Entry) source.ID {
	if len(entries) == 0 {
		return ""
	}
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b odb.Entry) int { return strings.Compare(ordered(a), ordered(b)) })
	var b bytes.Buffer
	for _, e := range entries {
		sum, _ := hex.DecodeString(string(e.ID)) // it was read as one, or made here
		_, _ = fmt.Fprintf(&b, "%s %s\x00%s", e.Mode, e.Name, sum)
	}
	id := d.add(kindTree, b.Bytes())
	slices.SortFunc(entries, byName)
	d.made[id] = entries
	return id
}

// ordered is what Git orders an entry by.
func ordered(e odb.Entry) string {
	if e.IsTree() {
		return e.Name + "/"
	}
	return e.Name
}

func byName(a, b odb.Entry) int { return cmp.Compare(a.Name, b.Name) }

// Commit is a commit that Fairlead makes.
type Commit struct {
	Tree    source.ID
	Parents []source.Commit
	Message string
	When    time.Time // of which the seconds count
}

// Who is said to have made the commit. Forges know nobody by that address.
const who = "Fairlead <fairlead@localhost>"

// Commit makes a commit. An empty Tree stands for one without files.
func (d *Draft) Commit(c Commit) source.Commit {
	if c.Tree == "" {
		c.Tree = d.add(kindTree, nil)
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "tree %s\n", c.Tree)
	for _, p := range c.Parents {
		_, _ = fmt.Fprintf(&b, "parent %s\n", p)
	}
	for _, role := range []string{"author", "committer"} {
		_, _ = fmt.Fprintf(&b, "%s %s %d +0000\n", role, who, max(0, c.When.Unix()))
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(c.Message, "\x00", ""), "\uFFFD")
	_, _ = fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(text))
	return source.Commit(d.add(kindCommit, []byte(b.String())))
}
