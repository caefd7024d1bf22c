package ledger

import "testing"

// Pack packs what a record is stored as.
func Pack(t *testing.T, v any) []byte {
	data, err := pack(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
