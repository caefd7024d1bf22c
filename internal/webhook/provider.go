package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
)

// provider is one kind of sender, told by the header in which it signs.
type provider struct {
	name   string
	header string
	verify func(signature string, body, secret []byte) bool
	parse  func(header http.Header, body []byte) (Push, error)
}

// providers in the order in which they are looked for. Gitea and Forgejo also send GitHub's header, for those who know
// only that, and so come first.
func providers() []provider {
	return []provider{
		{"gitea", "X-Gitea-Signature", signed, parseGitHub("X-Gitea-Event")},
		{"gitea", "X-Forgejo-Signature", signed, parseGitHub("X-Forgejo-Event")},
		{"github", "X-Hub-Signature-256", signedWithPrefix, parseGitHub("X-GitHub-Event")},
		{"gitlab", "X-Gitlab-Token", token, parseGitLab},
		{"bitbucket", "X-Hub-Signature", signedWithPrefix, parseBitbucket},
		{"generic", "X-Fairlead-Signature", signedWithPrefix, parseGeneric},
		{"generic", "Authorization", bearer, parseBearer},
	}
}

func sender(header http.Header) (provider, bool) {
	for _, p := range providers() {
		if header.Get(p.header) != "" {
			return p, true
		}
	}
	return provider{}, false
}

// signed compares the HMAC-SHA256 of the body, in hex.
func signed(signature string, body, secret []byte) bool {
	got, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}

func signedWithPrefix(signature string, body, secret []byte) bool {
	digits, ok := strings.CutPrefix(signature, "sha256=")
	return ok && signed(digits, body, secret)
}

// token compares hashes, so that not even the length of the secret shows in the time.
func token(got string, _, secret []byte) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256(secret)
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func bearer(got string, body, secret []byte) bool {
	scheme, value, _ := strings.Cut(got, " ")
	return strings.EqualFold(scheme, "bearer") && token(strings.TrimSpace(value), body, secret)
}
