package preview

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Header carries the signature of a request: "t=<unix seconds>,v1=<hex>".
const Header = "Fairlead-Signature"

// TokenHeader carries a token instead: the API server keeps the header Authorization to itself when it passes a request on. Audience is whom such a token
// may be for, and nobody else.
const (
	TokenHeader = "Fairlead-Token"
	Audience    = "fairlead.dev"
)

// ErrTime says that a signature is right, but of another time.
var ErrTime = errors.New("the signature is of another time")

// Skew is how far the clocks of who signs and who verifies may be apart, and so how long a signature is good.
const Skew = 5 * time.Minute

// leastKey is how long a key has to be: who guesses one could ask for everything that its environments want.
const leastKey = 16

// Sign returns the signature of a body at a time.
func Sign(key, body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(sum(key, t, body))
}

// Verify returns an error of kind fault.Denied unless a header is the signature of body at about the time now. Nothing verifies against a key that is
// missing, or too short to be a secret.
func Verify(key, body []byte, header string, now time.Time) error {
	t, given, ok := parse(header)
	if !ok {
		return fault.Newf(fault.Denied, "header %s is not of the form t=<unix seconds>,v1=<hex>", Header)
	}
	right := hmac.Equal(sum(key, t, body), given)
	if len(key) < leastKey || !right {
		return fault.Newf(fault.Denied, "the signature does not match the planToken in the Repository's Secret")
	}
	at, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return fault.Newf(fault.Denied, "the time of the signature is no number")
	}
	if skew := now.Sub(time.Unix(at, 0)); skew > Skew || skew < -Skew {
		return fault.Newf(fault.Denied, "%w: %s from now, at most %s may be: sign anew, and look at both clocks", ErrTime, skew.Round(time.Second), Skew)
	}
	return nil
}

func parse(header string) (t string, mac []byte, ok bool) {
	if len(header) > 200 {
		return "", nil, false
	}
	t, rest, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	if !ok || !strings.HasPrefix(header, "t=") || t == "" || len(t) > 12 || strings.ContainsFunc(t, func(c rune) bool { return c < '0' || c > '9' }) {
		return "", nil, false
	}
	mac, err := hex.DecodeString(rest)
	return t, mac, err == nil && len(mac) == sha256.Size
}

func sum(key []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(t + "."))
	_, _ = h.Write(body)
	return h.Sum(nil)
}
