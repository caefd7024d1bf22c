package kube

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"
)

// memo remembers what the field managers made of what. Merging is most of what a write costs, and runs of a simulation ask the same again and again, so a
// server shares its memo with its forks. It is safe for concurrent use.
//
// States count as the same that differ only in what merging carries along: uid, resourceVersion, creationTimestamp, generation and the times of managedFields.
type memo struct {
	mu    sync.Mutex
	known map[question]merged
	owned map[string]any // sets of fields as managedFields have them, by their text
}

// question is a merge that was asked for. What is written is a patch as it came, or an object.
type question struct {
	kind          *kind
	sub, manager  string
	apply, force  bool
	strict        bool
	live, written digest
}

type digest [sha256.Size]byte

// merged is the answer, without what is carried along.
type merged struct {
	content map[string]any // nil if it is what was written
	coarse  bool
	managed []metav1.ManagedFieldsEntry
	times   []int // of each entry: which entry of the live state has it, or now, or never
}

const (
	now   = -1
	never = -2
)

// enough is how many answers are remembered before all are forgotten.
const enough = 1 << 16

// carried are the fields of metadata that merging does not look at.
var carried = []string{"uid", "resourceVersion", "creationTimestamp", "generation"}

func newMemo() *memo { return &memo{known: map[question]merged{}, owned: map[string]any{}} }

func (m *memo) recall(q question) (merged, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.known[q]
	return a, ok
}

func (m *memo) remember(q question, a merged) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= enough {
		clear(m.known)
	}
	m.known[q] = a
}

// apply is that of kind, remembered.
func (m *memo) apply(k *kind, sub string, live *state, patch []byte, w writing, force bool, at time.Time) (*state, error) {
	q := question{kind: k, sub: sub, manager: w.manager, apply: true, force: force, strict: w.strict(), live: live.digest(), written: sha256.Sum256(patch)}
	special := slices.ContainsFunc(carried, func(name string) bool { return bytes.Contains(patch, []byte(name)) })
	if a, ok := m.recall(q); ok && !special {
		s := newState(shallow(a.content), nil)
		metadata := s.edit("metadata")
		for _, name := range carried {
			put(metadata, name, live.metadata()[name])
		}
		s.coarse = a.coarse
		a.manage(s, live, at)
		return s, nil
	}
	want, err := wanted(patch, w)
	if err != nil {
		return nil, err
	}
	s, err := k.apply(sub, live, want, w.manager, force)
	if err != nil {
		return nil, err
	}
	a := answered(s, live)
	a.manage(s, live, at)
	if !special {
		a.content, a.coarse = shallow(s.Object), s.coarse
		metadata := shallow(s.metadata())
		for _, name := range carried {
			delete(metadata, name)
		}
		a.content["metadata"] = metadata
		m.remember(q, a)
	}
	return s, nil
}

// update is that of kind, remembered.
func (m *memo) update(k *kind, sub string, live, next *state, manager string, at time.Time) *state {
	if len(next.managed) > 0 { // a client that writes managedFields may write anything
		return k.update(sub, live, next, manager, at)
	}
	q := question{kind: k, sub: sub, manager: manager, live: live.digest(), written: next.fresh()}
	a, ok := m.recall(q)
	if !ok {
		next = k.manage(sub, live, next, manager)
		a = answered(next, live)
		m.remember(q, a)
	}
	a.manage(next, live, at)
	return next
}

// answered is what is to be remembered of the managedFields that a field manager made of those of a live state.
func answered(s, live *state) merged {
	a := merged{managed: slices.Clone(s.managed), times: make([]int, len(s.managed))}
	for i := range a.managed {
		t := a.managed[i].Time
		a.managed[i].Time = nil
		a.times[i] = slices.IndexFunc(live.managed, func(e metav1.ManagedFieldsEntry) bool { return e.Time == t })
		if t == nil {
			a.times[i] = never
		}
	}
	return a
}

// manage gives a state the managedFields, with the times of the live one.
func (a merged) manage(s, live *state, at time.Time) {
	s.managed = slices.Clone(a.managed)
	for i, from := range a.times {
		switch from {
		case never:
		case now:
			s.managed[i].Time = &metav1.Time{Time: at}
		default:
			s.managed[i].Time = live.managed[from].Time
		}
	}
	s.sort()
}

// managedFields returns entries as content: what runtime.DefaultUnstructuredConverter makes of them, which takes ten times as long.
func (m *memo) managedFields(entries []metav1.ManagedFieldsEntry) []any {
	out := make([]any, 0, len(entries))
	for _, e := range entries {
		entry := map[string]any{}
		for _, f := range [][2]string{
			{"manager", e.Manager}, {"operation", string(e.Operation)}, {"apiVersion", e.APIVersion}, {"fieldsType", e.FieldsType}, {"subresource", e.Subresource},
		} {
			if f[1] != "" {
				entry[f[0]] = f[1]
			}
		}
		if e.Time != nil {
			entry["time"] = e.Time.ToUnstructured()
		}
		if e.FieldsV1 != nil {
			entry["fieldsV1"] = m.fields(e.FieldsV1)
		}
		out = append(out, entry)
	}
	return out
}

// fields are those of an entry as content, which is shared: few writers set ever the same fields.
func (m *memo) fields(f *metav1.FieldsV1) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	raw := f.GetRawString()
	known, ok := m.owned[raw]
	if ok {
		return known
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts([]byte(raw), &known); err != nil {
		panic(err) // Invariant: a field manager wrote it.
	}
	if len(m.owned) >= enough {
		clear(m.owned)
	}
	m.owned[raw] = known
	return known
}

// digest identifies what merging looks at of a stored state, whose digest does not change.
func (s *state) digest() digest {
	if known := s.sum.Load(); known != nil {
		return *known
	}
	d := s.fresh()
	s.sum.Store(&d)
	return d
}

// fresh is digest for a state that is not stored yet.
func (s *state) fresh() digest {
	b := make([]byte, 0, 1024)
	for _, k := range namesOf(s.Object) {
		v := s.Object[k]
		if k == "metadata" {
			metadata := shallow(s.metadata())
			for _, name := range carried {
				delete(metadata, name)
			}
			v = metadata
		}
		b = canonical(distinct(b, k), v)
	}
	for _, e := range s.managed {
		for _, part := range [...]string{e.Manager, string(e.Operation), e.APIVersion, e.Subresource} {
			b = distinct(b, part)
		}
		if e.FieldsV1 != nil {
			b = append(b, e.FieldsV1.GetRawString()...)
		}
	}
	return sha256.Sum256(b)
}

// namesOf are the names of the fields of an object, in order.
func namesOf(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// distinct appends a string so that it is clear where it ends.
func distinct(b []byte, s string) []byte {
	return append(append(strconv.AppendInt(append(b, 's'), int64(len(s)), 10), ':'), s...)
}

// canonical appends a value of JSON, in one way for equal values.
func canonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		for _, k := range namesOf(v) {
			b = canonical(distinct(b, k), v[k])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for _, x := range v {
			b = append(canonical(b, x), ',')
		}
		return append(b, ']')
	case string:
		return distinct(b, v)
	case int64:
		return strconv.AppendInt(append(b, 'i'), v, 10)
	case float64:
		return strconv.AppendFloat(append(b, 'f'), v, 'g', -1, 64)
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, "null"...)
}
