package webhook_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/webhook"
)

const secret = "correct horse"

// TestFiles: header, body and what is read of them. {hmac} stands for the body's signature, {secret} for the secret.
func TestFiles(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		header, body := ar.Files[0].Data, ar.Files[1].Data
		golden.Set(ar, "push", show(webhook.Parse(signedHeader(t, header, body), body, []byte(secret)))+"\n")
	})
}

func signedHeader(t *testing.T, text, body []byte) http.Header {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	filled := strings.NewReplacer("{hmac}", hex.EncodeToString(mac.Sum(nil)), "{secret}", secret).Replace(string(text))
	h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(filled + "\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	return http.Header(h)
}

func show(p webhook.Push, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("%s: %v", fault.KindOf(err), err)
	case p.Ping:
		return p.Provider + " ping"
	}
	if len(p.Names) > 0 {
		return fmt.Sprintf("%s %v %v", p.Provider, p.Refs, p.Names)
	}
	return fmt.Sprintf("%s %v %v", p.Provider, p.Refs, p.URLs)
}

// TestNoSecret: whoever configured no secret accepts nothing, not even what is signed with the empty one.
func TestNoSecret(t *testing.T) {
	mac := hmac.New(sha256.New, nil)
	h := http.Header{"X-Fairlead-Signature": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}
	for _, empty := range [][]byte{nil, {}} {
		if _, err := webhook.Parse(h, nil, empty); fault.KindOf(err) != fault.Denied {
			t.Errorf("got %v, want an error of kind denied", err)
		}
	}
}

func TestConcerns(t *testing.T) {
	push := webhook.Push{URLs: []string{"https://git.example.com/shop/config", "git@GIT.example.com:shop/config.git"}}
	for url, want := range map[string]bool{
		"https://git.example.com/shop/config.git":       true,
		"ssh://git@git.example.com:2222/shop/config":    true,
		"git@git.example.com:shop/config.git":           true,
		"https://git.example.com/shop/config2.git":      false,
		"https://git.example.com.evil.com/shop/config":  false,
		"https://other.example.com/shop/config.git":     false,
		"https://git.example.com/other/shop/config.git": false,
	} {
		if got := push.Concerns(url); got != want {
			t.Errorf("Concerns(%s) = %v", url, got)
		}
	}
	pushed := webhook.Push{Names: []string{"shop/config"}}
	for url, want := range map[string]bool{
		"oci://registry.example.com:5000/shop/config": true, "oci://registry.example.com/shop/config": true, "oci://registry.example.com/shop/config2": false,
		"oci://registry.example.com/other/shop/config": false,
	} {
		if got := pushed.Concerns(url); got != want {
			t.Errorf("Concerns(%s) = %v", url, got)
		}
	}
	if !(webhook.Push{}).Concerns("https://git.example.com/any") {
		t.Error("a push that names no repository concerns none")
	}
}

// FuzzParse: whatever is signed is read or refused, and every ref that is read is a full name.
func FuzzParse(f *testing.F) {
	for _, ar := range golden.All(f, "testdata/*.txtar") {
		for _, event := range []string{"push", "Push Hook", "repo:push"} {
			f.Add(event, ar.Files[1].Data)
		}
	}
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		sum := hex.EncodeToString(mac.Sum(nil))
		for _, h := range []http.Header{
			{"X-Github-Event": {event}, "X-Hub-Signature-256": {"sha256=" + sum}},
			{"X-Gitlab-Event": {event}, "X-Gitlab-Token": {secret}},
			{"X-Event-Key": {event}, "X-Hub-Signature": {"sha256=" + sum}},
			{"Authorization": {"Bearer " + secret}},
		} {
			p, err := webhook.Parse(h, body, []byte(secret))
			if fault.KindOf(err) == fault.Denied {
				t.Fatalf("signed and denied: %v", err)
			}
			for _, r := range p.Refs {
				if !strings.HasPrefix(r, "refs/") || bytes.ContainsAny([]byte(r), "\x00\n ") {
					t.Errorf("ref %q", r)
				}
			}
		}
	})
}

// FuzzSignature: nothing is accepted but what proves the secret, whichever header claims to, and a body that was changed on the way is not read.
func FuzzSignature(f *testing.F) {
	for _, value := range []string{"", secret, "Bearer " + secret, "sha256=", "sha256=00", "Basic " + secret, "bearer  " + secret + " ", "{hmac}", "sha256={hmac}", "sha1={hmac}"} {
		for i := range signatures {
			f.Add(uint8(i), value, secret, []byte("{}"), []byte(`{"ref": "refs/heads/main"}`))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, value, key string, signedBody, body []byte) {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(signedBody)
		sum := hex.EncodeToString(mac.Sum(nil))
		name := signatures[int(which)%len(signatures)]
		value = strings.ReplaceAll(value, "{hmac}", sum)
		_, err := webhook.Parse(http.Header{http.CanonicalHeaderKey(name): {value}}, body, []byte(secret))
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells the secret: %v", err)
		}
		accepted := err == nil || fault.KindOf(err) == fault.Invalid
		if !accepted && fault.KindOf(err) != fault.Denied {
			t.Errorf("%v is %s", err, fault.KindOf(err))
		}
		proves := key == secret && bytes.Equal(signedBody, body) && strings.Contains(strings.ToLower(value), sum)
		if tells := strings.Contains(value, secret) && (name == "Authorization" || name == "X-Gitlab-Token"); accepted && !proves && !tells {
			t.Errorf("%s: %q is accepted for %q", name, value, body)
		}
	})
}

// signatures are the headers in which senders prove that they know the secret.
var signatures = []string{
	"X-Gitea-Signature", "X-Forgejo-Signature", "X-Hub-Signature-256", "X-Gitlab-Token", "X-Hub-Signature", "X-Fairlead-Signature", "Authorization", "X-Signature",
}
