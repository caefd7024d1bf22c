// Package wire is the Git protocol as it travels: packets, the advertisement, ls-refs and fetch, in versions 2 and 0, and the push of one ref.
//
// It reads from an io.Reader and writes bytes; it opens no connection and starts no process. Whoever calls it bounds
// what is read with [Bound].
//
//	adv, err := wire.ReadAdvert(wire.NewReader(body))
//	req := wire.Fetch{Wants: ids, Depth: 1, Done: true}.Encode(adv)
//
// Invariants: no input makes it panic; every id it returns is 40 or 64 lower-case hex digits; every ref name it
// returns is printable.
package wire
