package git_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// tampered is a server whose answers to fetches go through change until heal is called.
func tampered(t *testing.T, change func(http.ResponseWriter, []byte)) (w *world, heal func()) {
	t.Helper()
	var healed atomic.Bool
	w = newWorld(t, gitserver.Options{}, "")
	w.commit("main", "one", gitserver.Write("a", "one\n"), gitserver.Write("b/c", "two\n"))
	w.url = front(t, w.url, nil, func(rw http.ResponseWriter, answer []byte) {
		if !healed.Load() {
			change(rw, answer)
			return
		}
		_, _ = rw.Write(answer)
	}) + "/shop.git"
	return w, func() { healed.Store(true) }
}

// fetchErr resolves main and returns the error of fetching it.
func (w *world) fetchErr(m *git.Mirror) error {
	w.Helper()
	found, err := m.Resolve(w.Context(), w.auth, []source.Ref{main})
	w.must(err)
	_, err = m.Fetch(w.Context(), w.auth, []source.Resolved{found[0].Resolved})
	return err
}

// TestBadPack: whatever is wrong with a pack, nothing of it is used, and the next one heals.
func TestBadPack(t *testing.T) {
	for name, change := range map[string]func(http.ResponseWriter, []byte){
		"truncated": func(rw http.ResponseWriter, b []byte) { _, _ = rw.Write(b[:len(b)*2/3]) },
		"reset": func(rw http.ResponseWriter, b []byte) {
			rw.Header().Set("Content-Length", fmt.Sprint(len(b)))
			_, _ = rw.Write(b[:len(b)/2])
			panic(http.ErrAbortHandler)
		},
		"empty": func(http.ResponseWriter, []byte) {},
		"error": func(rw http.ResponseWriter, _ []byte) {
			_, _ = io.WriteString(rw, "000dpackfile\n0012\x03out of memory")
		},
		"other": func(rw http.ResponseWriter, _ []byte) {
			_, _ = io.WriteString(rw, "000dpackfile\n000f\x01not a pack0000")
		},
		"none": func(rw http.ResponseWriter, _ []byte) { _, _ = io.WriteString(rw, "0000") },
	} {
		t.Run(name, func(t *testing.T) {
			w, heal := tampered(t, change)
			m := w.mirror()
			err := w.fetchErr(m)
			if kind := fault.KindOf(err); err == nil || kind != fault.Transient && kind != fault.Invalid {
				t.Fatalf("got %v (%s)", err, kind)
			}
			heal()
			if s := w.head(m); w.read(s, "a") != "one\n" {
				t.Error("wrong content")
			}
		})
	}
}

// TestBitFlips flips a bit in many places: the content is right, or there is none.
func TestBitFlips(t *testing.T) {
	var flip, size atomic.Int64
	flip.Store(-1)
	w, heal := tampered(t, func(rw http.ResponseWriter, b []byte) {
		size.Store(int64(len(b)))
		b = bytes.Clone(b)
		if at := flip.Load(); at >= 0 {
			b[int(at)%len(b)] ^= 1 << (at % 8)
		}
		_, _ = rw.Write(b)
	})
	w.head(w.mirror())
	m := w.mirror()
	for flip.Store(0); flip.Load() < size.Load(); flip.Add(5) {
		if err := w.fetchErr(m); err == nil {
			if s := w.head(m); w.read(s, "a")+w.read(s, "b/c") != "one\ntwo\n" {
				t.Fatalf("byte %d: wrong content", flip.Load())
			}
			m = w.mirror()
		}
	}
	heal()
	w.compareWithClone(w.head(m))
}
