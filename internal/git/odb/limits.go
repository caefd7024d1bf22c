package odb

// Limits bound what is read. A zero field stands for its default.
type Limits struct {
	Cache   int64 // bytes of parsed objects kept in memory: 32 MiB
	Blob    int64 // bytes of a file: 10 MiB
	Entries int   // entries of a directory: 100,000
	Depth   int   // directories on the way to a file: 100
}

// The bounds that are not for choosing: what Git and file systems agree on.
const (
	maxName  = 255
	maxPath  = 4096
	maxLinks = 40
)

func (l Limits) withDefaults() Limits {
	if l.Cache == 0 {
		l.Cache = 32 << 20
	}
	if l.Blob == 0 {
		l.Blob = 10 << 20
	}
	if l.Entries == 0 {
		l.Entries = 100_000
	}
	if l.Depth == 0 {
		l.Depth = 100
	}
	return l
}

// maxTree is the size of the largest tree object that can keep within the limit of entries.
func (l Limits) maxTree() int64 { return int64(l.Entries) * (maxName + 40) }
