package git

import (
	"path/filepath"
)

// manyPacks is when packs are joined: every lookup may have to ask each of them.
const manyPacks = 32

// tidy joins small packs in the background, now and then. It drops nothing, so it may run beside anything: what a
// forced push left behind stays until the mirror is made anew.
func (m *Mirror) tidy() {
	packs, err := filepath.Glob(filepath.Join(m.bare.dir, "objects/pack/*.pack"))
	if err != nil || len(packs) < manyPacks || m.tidying.Swap(true) {
		return
	}
	b := m.bare
	m.work.Go(func() {
		defer m.tidying.Store(false)
		// Its failure changes nothing: the packs are as they were, and the next fetch tries again.
		_ = b.run(m.context, "repack", "-d", "-q", "--geometric=2")
	})
}
