package git

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// TestDeltaBomb: a pack of some kilobytes whose one delta copies its base again and again asks for more memory than a controller has. It gets none.
func TestDeltaBomb(t *testing.T) {
	m, err := Open(t.TempDir(), "https://git.example.com/shop.git", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	base := make([]byte, 15<<20)
	const copies = 300 // 4.5 GB
	delta := append(sizeOf(len(base)), sizeOf(copies*len(base))...)
	delta = append(delta, bytes.Repeat([]byte{0xf0, 0, 0, 0xf0}, copies)...) // from 0, 15 MiB
	pack := packOf(2, append(entry(packedBlob, len(base), nil, base), entry(refDelta, len(delta), idOf("blob", base), delta)...))
	err = m.index(t.Context(), bytes.NewReader(pack))
	if fault.KindOf(err) != fault.Transient || !strings.Contains(fmt.Sprint(err), "over limit") {
		t.Errorf("a pack of %d bytes: %v", len(pack), err)
	}
}

// sizeOf writes a size as a delta begins with it: seven bits a byte, the lowest first.
func sizeOf(n int) (b []byte) {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}
