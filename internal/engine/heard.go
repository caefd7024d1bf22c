package engine

import (
	"hash/maphash"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// heard is what apps claim as the ledger says, as it was heard last. The zero value has heard nothing.
type heard struct {
	claims map[app.Name]app.Claims
	// counts says how many apps claim an object, by its hash: hardly ever is it more than one, and then all of them are looked at.
	counts map[uint64]int32
	seed   maphash.Seed
}

// tell takes in what an app claims; nil if it has no record.
func (h *heard) tell(n app.Name, claims app.Claims) {
	if h.claims == nil {
		*h = heard{map[app.Name]app.Claims{}, map[uint64]int32{}, maphash.MakeSeed()}
	}
	for key := range h.claims[n] {
		if hash := maphash.Comparable(h.seed, key); h.counts[hash] > 1 {
			h.counts[hash]--
		} else {
			delete(h.counts, hash)
		}
	}
	for key := range claims {
		h.counts[maphash.Comparable(h.seed, key)]++
	}
	if h.claims[n] = claims; claims == nil {
		delete(h.claims, n)
	}
}

// other returns the app, of those that are asked for, that claims an object beside the given one, and has not let it go: the first of them by name.
func (h *heard) other(than app.Name, key object.Key, asked func(app.Name) bool) (found app.Name, ok bool) {
	if len(h.claims) == 0 {
		return app.Name{}, false
	}
	others := h.counts[maphash.Comparable(h.seed, key)]
	if _, own := h.claims[than][key]; own {
		others--
	}
	if others == 0 {
		return app.Name{}, false
	}
	for n, claims := range h.claims {
		if claim, claimed := claims[key]; claimed && !claim.Yielded && n != than && asked(n) && (!ok || n.Compare(found) < 0) {
			found, ok = n, true
		}
	}
	return found, ok
}
