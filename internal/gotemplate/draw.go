package gotemplate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

// Draw is where passwords, keys, certificates and points in time come from. What is drawn follows from the secret, and from where in which template it is drawn: it is the same
// in each Render, and nobody can tell it who does not have the secret.
type Draw struct {
	// Secret is asked for when something is drawn. Since is what templates are told that the time is. With days it is for a certificate that is good for so long:
	// since moves on before it runs out.
	Secret func(days int) (secret []byte, since time.Time, err error)
	// For tells apart those who draw from one secret, such as the name of an app.
	For string
	// Keys remembers RSA keys, which take long to find; nil: none is.
	Keys *Keys
}

// Keys are RSA keys that were found, by what they were found from. The zero Keys is empty. It is not safe for concurrent use.
type Keys struct{ found, used map[[sha256.Size]byte][]byte }

// Forget drops what was not used since it was called last.
func (k *Keys) Forget() { k.found, k.used = k.used, nil }

func (k *Keys) get(id [sha256.Size]byte) []byte {
	if k == nil {
		return nil
	}
	der := k.found[id]
	if der != nil {
		k.put(id, der)
	}
	return der
}

func (k *Keys) put(id [sha256.Size]byte, der []byte) {
	if k == nil {
		return
	}
	if k.used == nil {
		k.used = map[[sha256.Size]byte][]byte{}
	}
	if k.found == nil {
		k.found = map[[sha256.Size]byte][]byte{}
	}
	k.used[id], k.found[id] = der, der
}

// stream is what one call draws from.
type stream struct {
	*rand.ChaCha8
	id [sha256.Size]byte
}

// stream is that of the next call of a function, with these arguments, in the file that is executed. It does not follow from how often others were called: a template
// that draws one more password leaves the other ones as they are.
func (x *execution) stream(function string, args ...any) (stream, error) {
	secret, _, err := x.secret(0)
	if err != nil {
		return stream{}, err
	}
	call := fmt.Sprintf("%q %q %q %q", x.options.Draw.For, x.running, function, fmt.Sprint(args...))
	if x.drawn == nil {
		x.drawn = map[string]int{}
	}
	x.drawn[call]++
	return streamOf(secret, call+" "+strconv.Itoa(x.drawn[call])), nil
}

func streamOf(secret []byte, call string) stream {
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, call)
	var s stream
	mac.Sum(s.id[:0])
	s.ChaCha8 = rand.NewChaCha8(s.id)
	return s
}

// apart is another stream, which does not follow from how much of this one was drawn: who remembers a key draws nothing for it.
func (s stream) apart(what string) stream { return streamOf(s.id[:], what) }

func (x *execution) secret(days int) ([]byte, time.Time, error) {
	if x.options.Draw == nil || x.options.Draw.Secret == nil {
		return nil, time.Time{}, &refusal{"nothing can be generated here"}
	}
	return x.options.Draw.Secret(days)
}

func (x *execution) now() (time.Time, error) {
	_, since, err := x.secret(0)
	return since.UTC(), err
}

// below is a number from 0 to n-1.
func (s stream) below(n int) int { return rand.New(s).IntN(n) }

func (s stream) bytes(n int) []byte {
	out := make([]byte, 0, n+8)
	for len(out) < n {
		out = binary.LittleEndian.AppendUint64(out, s.Uint64())
	}
	return out[:n]
}

// chars draws n of the characters of a set.
func (s stream) chars(n int, set string) string {
	out, r := make([]byte, max(n, 0)), rand.New(s)
	for i := range out {
		out[i] = set[r.IntN(len(set))]
	}
	return string(out)
}
