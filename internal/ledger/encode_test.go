package ledger

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// What an earlier Fairlead wrote must stay readable. A change here needs a new format.
const stored = `{"format":1,"app":{"Namespace":"shop","Environment":"prod","App":"web"},"revision":"main@sha1:abc","claims":[{
"Key":{"Group":"apps","Kind":"Deployment","Namespace":"shop","Name":"web"},"Version":"apps/v1","Want":"w","Print":"p.r","Confirmed":true,"Wave":-2}]}`

func TestStoredFormat(t *testing.T) {
	k := object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	want := app.Record{
		App: app.Name{Namespace: "shop", Environment: "prod", App: "web"}, Revision: "main@sha1:abc",
		Claims: app.Claims{k: {Key: k, Version: "apps/v1", Want: "w", Print: "p.r", Confirmed: true, Wave: -2}},
	}
	packed := Pack(t, raw(stored))
	got, err := decodeClaims(packed)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	again, err := encodeClaims(want)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := unpack(packed, &a); err != nil {
		t.Fatal(err)
	}
	if err := unpack(again, &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("written anew: -want +got\n%s", diff)
	}
}

type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// TestPacked: what is small is stored as it is, what is large is squeezed, and both are read in the same way.
func TestPacked(t *testing.T) {
	for name, tt := range map[string]struct {
		text     string
		squeezed bool
	}{
		"small": {strings.Repeat("a claim ", 8), false},
		"large": {strings.Repeat("a claim ", 1<<10), true},
	} {
		packed, err := pack(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		var read string
		if err := unpack(packed, &read); err != nil || read != tt.text {
			t.Errorf("%s: read %d bytes of %d, %v", name, len(read), len(tt.text), err)
		}
		if squeezed := len(packed) < len(tt.text); squeezed != tt.squeezed {
			t.Errorf("%s: %d bytes are stored of %d", name, len(packed), len(tt.text))
		}
	}
}

// TestVeiledBundle: what of an object is veiled comes back with it, and is none of its fields.
func TestVeiledBundle(t *testing.T) {
	plain := object.New(map[string]any{"kind": "ConfigMap", "data": map[string]any{"a": "b"}})
	veiled := plain.WithVeiled([]string{"data.a", "spec"})
	data, err := encodeBundle(app.Record{Bundle: []object.Object{plain, veiled}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeBundle(data)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	for i, o := range []object.Object{plain, veiled} {
		if got[i].Hash() != o.Hash() || !slices.Equal(got[i].Veiled(), o.Veiled()) {
			t.Errorf("%s, veiled %v", got[i].JSON(), got[i].Veiled())
		}
	}
}
