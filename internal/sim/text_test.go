package sim

import (
	"encoding/json"
	"testing"
)

// TestTextOf: content is written as the library does it.
func TestTextOf(t *testing.T) {
	for _, v := range []any{
		nil, true, int64(-7), 1.5, 1e30, "", "a b~", "\"\\<>&\x00\x7f\n\u2028é\xff", map[string]any(nil), []any(nil),
		map[string]any{},
		[]any{},
		map[string]any{"b": []any{int64(1), nil, map[string]any{"<": "x"}}, "a": false, "": map[string]any{"z": "1", "y": 2.0}},
	} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(textOf(nil, v)); got != string(want) {
			t.Errorf("%#v: %s, want %s", v, got, want)
		}
	}
}
