package git

import (
	"crypto/sha1" //nolint:gosec // as Git has it
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// hashOf is what names objects, and closes packs, in an object format.
func hashOf(format string) hash.Hash {
	if format == "sha256" {
		return sha256.New()
	}
	return sha1.New() //nolint:gosec // as Git has it
}

// emptyPack is a pack of nothing.
func emptyPack(format string) []byte {
	b := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), 0)
	h := hashOf(format)
	_, _ = h.Write(b)
	return h.Sum(b)
}
