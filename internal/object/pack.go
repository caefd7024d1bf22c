package object

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// Packed is objects as one text, which takes a small part of the memory that they take. The zero Packed is no objects.
//
// It is for this process alone: it can be unpacked by who packed it, and is not stored. Printing it shows no content.
type Packed struct {
	text  string
	count int
}

// Len is how many objects there are.
func (p Packed) Len() int { return p.count }

// String says how many objects there are.
func (p Packed) String() string { return fmt.Sprintf("%d objects", p.count) }

// The kinds of packed values. A text is a number into the list of all texts, each of which is there once.
const (
	packedNil = iota
	packedFalse
	packedTrue
	packedInt
	packedFloat
	packedText
	packedList
	packedMap
)

// Pack packs objects, with their origins and what of them is veiled.
func Pack(objs []Object) Packed {
	if len(objs) == 0 {
		return Packed{}
	}
	w := packer{numbers: map[string]uint64{}}
	for _, o := range objs {
		w.string(o.origin.File)
		w.body = binary.AppendVarint(w.body, int64(o.origin.Line))
		w.body = binary.AppendUvarint(w.body, uint64(len(o.veiled)))
		for _, path := range o.veiled {
			w.string(path)
		}
		w.value(o.content)
	}
	var head []byte
	head = binary.AppendUvarint(head, uint64(len(w.texts)))
	for _, s := range w.texts {
		head = binary.AppendUvarint(head, uint64(len(s)))
	}
	var b strings.Builder
	b.Grow(len(head) + w.size + len(w.body))
	b.Write(head)
	for _, s := range w.texts {
		b.WriteString(s)
	}
	b.Write(w.body)
	return Packed{text: b.String(), count: len(objs)}
}

type packer struct {
	numbers map[string]uint64
	texts   []string
	size    int // of texts
	body    []byte
}

func (w *packer) string(s string) {
	n, known := w.numbers[s]
	if !known {
		n = uint64(len(w.texts))
		w.numbers[s] = n
		w.texts = append(w.texts, s)
		w.size += len(s)
	}
	w.body = binary.AppendUvarint(w.body, n)
}

func (w *packer) value(v any) {
	kind := func(k byte) { w.body = append(w.body, k) }
	switch v := v.(type) {
	case nil:
		kind(packedNil)
	case bool:
		if v {
			kind(packedTrue)
		} else {
			kind(packedFalse)
		}
	case int64:
		kind(packedInt)
		w.body = binary.AppendVarint(w.body, v)
	case float64:
		kind(packedFloat)
		w.body = binary.BigEndian.AppendUint64(w.body, math.Float64bits(v))
	case string:
		kind(packedText)
		w.string(v)
	case []any:
		kind(packedList)
		w.body = binary.AppendUvarint(w.body, uint64(len(v)))
		for _, x := range v {
			w.value(x)
		}
	case map[string]any:
		kind(packedMap)
		w.body = binary.AppendUvarint(w.body, uint64(len(v)))
		for k, x := range v {
			w.string(k)
			w.value(x)
		}
	default:
		panic(fmt.Sprintf("pack: %T is no JSON content", v)) // Invariant: content is JSON by construction.
	}
}

// Unpack returns the objects, equal to those that were packed.
func (p Packed) Unpack() []Object {
	if p.count == 0 {
		return nil
	}
	r := unpacker{rest: p.text}
	texts := make([]string, r.number())
	sizes := make([]int, len(texts))
	for i := range sizes {
		sizes[i] = int(r.number()) //nolint:gosec // as it was packed
	}
	for i, size := range sizes {
		texts[i], r.rest = r.rest[:size], r.rest[size:]
	}
	r.texts = texts
	objs := make([]Object, p.count)
	for i := range objs {
		at := Origin{File: r.string(), Line: int(r.signed())}
		veiled := make([]string, r.number())
		for j := range veiled {
			veiled[j] = r.string()
		}
		content, _ := r.value().(map[string]any)
		objs[i] = New(content).WithOrigin(at)
		if len(veiled) > 0 {
			objs[i] = objs[i].WithVeiled(veiled)
		}
	}
	return objs
}

type unpacker struct {
	rest  string
	texts []string
}

// number reads a number as binary.AppendUvarint writes it.
func (r *unpacker) number() uint64 {
	var n uint64
	for i := 0; ; i++ {
		b := r.rest[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			r.rest = r.rest[i+1:]
			return n
		}
	}
}

// signed reads a number as binary.AppendVarint writes it.
func (r *unpacker) signed() int64 {
	n := r.number()
	if n&1 != 0 {
		return ^int64(n >> 1) //nolint:gosec // the bits are meant
	}
	return int64(n >> 1) //nolint:gosec // the bits are meant
}

func (r *unpacker) string() string { return r.texts[r.number()] }

func (r *unpacker) value() any {
	kind := r.rest[0]
	r.rest = r.rest[1:]
	switch kind {
	case packedFalse:
		return false
	case packedTrue:
		return true
	case packedInt:
		return r.signed()
	case packedFloat:
		bits := binary.BigEndian.Uint64([]byte(r.rest[:8]))
		r.rest = r.rest[8:]
		return math.Float64frombits(bits)
	case packedText:
		return r.string()
	case packedList:
		list := make([]any, r.number())
		for i := range list {
			list[i] = r.value()
		}
		return list
	case packedMap:
		n := r.number()
		m := make(map[string]any, n)
		for range n {
			k := r.string()
			m[k] = r.value()
		}
		return m
	}
	return nil
}
