package ledger

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"sync"

	kjson "sigs.k8s.io/json"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// format is the version of the stored form. A reader refuses a newer one instead of guessing.
const format = 1

// maxDecoded bounds what a record may unpack to.
const maxDecoded = 512 << 20

type storedClaims struct {
	Format   int         `json:"format"`
	App      app.Name    `json:"app"`
	Revision string      `json:"revision,omitempty"`
	Digest   string      `json:"digest,omitempty"`
	Serial   int         `json:"serial,omitempty"`
	Claims   []app.Claim `json:"claims"`

	Releases *release.State `json:"releases,omitempty"`
	Handled  []string       `json:"handled,omitempty"`

	Untold []release.Release `json:"untold,omitempty"`
}

func encodeClaims(r app.Record) ([]byte, error) {
	s := storedClaims{Format: format, App: r.App, Revision: r.Revision, Digest: r.Digest, Serial: r.Serial, Claims: []app.Claim{}, Handled: r.Handled, Untold: r.Untold}
	if !r.Releases.IsZero() {
		s.Releases = &r.Releases
	}
	for _, k := range r.Claims.Keys() {
		s.Claims = append(s.Claims, r.Claims[k])
	}
	return pack(s)
}

func decodeClaims(data []byte) (app.Record, error) {
	var s storedClaims
	if err := unpack(data, &s); err != nil {
		return app.Record{}, err
	}
	if s.Format != format {
		return app.Record{}, fault.Newf(fault.Invalid, "decode: format %d is not known to this version of Fairlead (it knows %d)", s.Format, format)
	}
	r := app.Record{App: s.App, Revision: s.Revision, Digest: s.Digest, Serial: s.Serial, Claims: make(app.Claims, len(s.Claims)), Handled: s.Handled, Untold: s.Untold}
	if s.Releases != nil {
		r.Releases = *s.Releases
	}
	for _, c := range s.Claims {
		r.Claims[c.Key] = c
	}
	return r, nil
}

func encodeBundle(r app.Record) ([]byte, error) {
	contents := make([]map[string]any, 0, len(r.Bundle))
	for _, o := range r.Bundle {
		contents = append(contents, withVeiled(o))
	}
	return pack(contents)
}

func decodeBundle(data []byte) ([]object.Object, error) {
	var contents []map[string]any
	if err := unpack(data, &contents); err != nil {
		return nil, err
	}
	objs := make([]object.Object, 0, len(contents))
	for _, m := range contents {
		objs = append(objs, veiledOf(m))
	}
	return objs, nil
}

// keyVeiled is the field of an object in a bundle that says which of its fields show values of Secrets.
const keyVeiled = "fairlead.dev/veiled"

func withVeiled(o object.Object) map[string]any {
	if len(o.Veiled()) == 0 {
		return o.Content()
	}
	m := maps.Clone(o.Content())
	m[keyVeiled] = o.Veiled()
	return m
}

func veiledOf(m map[string]any) object.Object {
	list, said := m[keyVeiled].([]any)
	if !said {
		return object.New(m)
	}
	delete(m, keyVeiled)
	var paths []string
	for _, item := range list {
		if path, ok := item.(string); ok {
			paths = append(paths, path)
		}
	}
	return object.New(m).WithVeiled(paths)
}

// small is up to how many bytes are packed as they are: compressing them takes longer than all else that is done here to write and read them, and saves about a
// kilobyte at most.
const small = 2 << 10

// squeezers and wrappers are kept: making one takes more memory than anything that is packed. Whatever they make is gzip, and is read in the same way.
var squeezers, wrappers = writers(gzip.BestSpeed), writers(gzip.NoCompression)

func writers(level int) *sync.Pool {
	return &sync.Pool{New: func() any {
		z, err := gzip.NewWriterLevel(io.Discard, level)
		if err != nil {
			panic(err) // Invariant: the level is one that there is.
		}
		return z
	}}
}

func pack(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	kept := squeezers
	if len(raw) <= small {
		kept = wrappers
	}
	z, _ := kept.Get().(*gzip.Writer)
	defer kept.Put(z)
	var buf bytes.Buffer
	z.Reset(&buf)
	if _, err := z.Write(raw); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// decompressors are kept for the same reason.
var decompressors = sync.Pool{New: func() any { return new(gzip.Reader) }}

func unpack(data []byte, v any) error {
	z, _ := decompressors.Get().(*gzip.Reader)
	defer decompressors.Put(z)
	if err := z.Reset(bytes.NewReader(data)); err != nil {
		return fault.New(fault.Invalid, fmt.Errorf("unpack: %w", err))
	}
	raw, err := io.ReadAll(io.LimitReader(z, maxDecoded))
	if err != nil {
		return fault.New(fault.Invalid, fmt.Errorf("unpack: %w", err))
	}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, v); err != nil {
		return fault.New(fault.Invalid, fmt.Errorf("decode: %w", err))
	}
	return nil
}
