package history

import (
	"fmt"
	"iter"
	"slices"
)

// Verified is what was found of a chain in which nothing is wrong.
type Verified struct {
	Records uint64 `json:"records"`
	Dropped Link   `json:"dropped"` // the last of those that were dropped with age; zero: none were
	End     Link   `json:"end"`
}

// Broken is the first place of a chain at which something is wrong.
type Broken struct {
	Seq uint64 // of the record that was to be there
	Why string
}

// Error says where, and what.
func (b *Broken) Error() string { return fmt.Sprintf("record %d: %s", b.Seq, b.Why) }

func broken(seq uint64, format string, args ...any) error {
	return &Broken{Seq: seq, Why: fmt.Sprintf(format, args...)}
}

// Verify reads a chain, line by line, from the oldest record that is left. Its error is a [*Broken] if a record was changed, removed, inserted or moved; any
// other says that it could not be read. That records were removed from the end, or that all was made anew, shows only by links that were noted somewhere
// else: each of them has to be in the chain.
func Verify(lines iter.Seq2[[]byte, error], noted ...Link) (Verified, error) {
	var v Verified
	var retained *Record // the last of kind Retention
	first := true
	noted = slices.Clone(noted)
	for line, err := range lines {
		if err != nil {
			return v, err
		}
		r, err := ParseLine(line)
		switch {
		case err != nil:
			return v, broken(v.End.Seq+1, "%s", err)
		case first && r.Seq > 1:
			v.Dropped = Link{Seq: r.Seq - 1, Hash: r.Prev}
		case r.Seq != v.End.Seq+1:
			return v, broken(v.End.Seq+1, "it is missing: record %d is in its place", r.Seq)
		case r.Prev != v.End.Hash:
			return v, broken(r.Seq, "it does not follow record %d: one of them was put in the place of another", v.End.Seq)
		}
		first = false
		v.End = r.Link()
		v.Records++
		if r.Kind == Retention && r.Dropped != nil {
			retained = &r
		}
		at := slices.IndexFunc(noted, func(h Link) bool { return h.Seq == r.Seq })
		if at >= 0 && noted[at].Hash != r.Hash {
			return v, broken(r.Seq, "it is another one than was noted: its hash is %s, and %s was noted", r.Hash, noted[at].Hash)
		}
	}
	if err := v.begins(retained); err != nil {
		return v, err
	}
	return v, v.reaches(noted)
}

// begins holds the beginning of what is left to what was noted when the records before it were dropped.
func (v Verified) begins(retained *Record) error {
	switch {
	case retained == nil && v.Dropped.Seq > 0:
		return broken(1, "it is missing, and no record says that it was dropped with age")
	case retained != nil && *retained.Dropped != v.Dropped && v.Dropped.Seq < retained.Dropped.Seq:
		return broken(v.Dropped.Seq+1, "it is there, and record %d says that all up to %d were dropped", retained.Seq, retained.Dropped.Seq)
	case retained != nil && *retained.Dropped != v.Dropped:
		return broken(retained.Dropped.Seq+1, "it is missing, and not among those that record %d says were dropped with age", retained.Seq)
	}
	return nil
}

// reaches finds out whether the chain is as long as it was once.
func (v Verified) reaches(noted []Link) error {
	for _, h := range noted {
		switch {
		case h.Seq > v.End.Seq:
			return broken(v.End.Seq+1, "it is missing, with all after it: there was a record %d", h.Seq)
		case h.Seq == v.Dropped.Seq && h.Hash != v.Dropped.Hash:
			return broken(h.Seq, "it was another one than was noted, when it was dropped")
		}
	}
	return nil
}
