package ledger

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// zipped is a stored form whose text is anything at all.
func zipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzClaims: what a Secret holds is refused, or read; and what is read is the same once it was written and read again. No claim is lost or made on the way.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(stored), true)
	f.Add([]byte(`{"format":1,"claims":[{"Key":{"Kind":"A"}},{"Key":{"Kind":"A"},"Wave":3}]}`), true)
	f.Add([]byte(`{"format":2}`), true)
	f.Add([]byte("\x1f\x8b\x08\x00"), false)
	f.Fuzz(func(t *testing.T, data []byte, isText bool) {
		if isText {
			data = zipped(t, data)
		}
		r, err := decodeClaims(data)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%s: %v", fault.KindOf(err), err)
			}
			return
		}
		again, err := encodeClaims(r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeClaims(again)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, back); d != "" {
			t.Errorf("written and read again: -before +after\n%s", d)
		}
		for k, c := range r.Claims {
			if c.Key != k {
				t.Errorf("%s is claimed as %s", c.Key, k)
			}
		}
	})
}

// FuzzBundle: the objects of a bundle are refused, or sent as the same text after they were written and read again.
func FuzzBundle(f *testing.F) {
	f.Add([]byte(`[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"n":"1"}}]`), true)
	f.Add([]byte(`[{"n":9007199254740993,"f":1.5,"e":1e3,"z":-0.0,"list":[null,true,{}]}]`), true)
	f.Add([]byte(`[null,{}]`), true)
	f.Add([]byte("\x1f\x8b"), false)
	f.Fuzz(func(t *testing.T, data []byte, isText bool) {
		if isText {
			data = zipped(t, data)
		}
		objs, err := decodeBundle(data)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%s: %v", fault.KindOf(err), err)
			}
			return
		}
		packed, err := pack(contentsOf(objs))
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeBundle(packed)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range objs {
			if was, is := string(o.JSON()), string(back[i].JSON()); was != is && !strings.Contains(was, "-0") { // there is no whole number -0
				t.Errorf("%s is written and read again as %s", was, is)
			}
		}
	})
}

func contentsOf(objs []object.Object) []map[string]any {
	all := make([]map[string]any, 0, len(objs))
	for _, o := range objs {
		all = append(all, o.Content())
	}
	return all
}
