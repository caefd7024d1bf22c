package registry_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/registry/registrytest"
)

const (
	simpleKind = "application/vnd.dev.cosign.artifact.sig.v1+json"
	bundleKind = "application/vnd.dev.sigstore.bundle.v0.3+json"
	signing    = "https://sigstore.dev/cosign/sign/v1"
)

func trust(t testing.TB, keys ...registrytest.Key) registry.Trust {
	t.Helper()
	entries := map[string][]byte{}
	for i, k := range keys {
		entries[fmt.Sprintf("team-%d.pub", i)] = k.Public
	}
	return must(registry.TrustOf(entries))(t)
}

// TestSigned: a chart is taken if a key that counts signed its digest, in any of the places where cosign puts signatures, and not otherwise.
func TestSigned(t *testing.T) {
	good, other, bad := registrytest.NewKey(), registrytest.NewKey(), registrytest.NewKey()
	for name, c := range map[string]struct {
		sign func(t *testing.T, at registrytest.Target, digest string)
		says string // why it is refused; empty: it is not
	}{
		"a tag":               {sign: func(t *testing.T, at registrytest.Target, d string) { ok(t, at.Sign(t.Context(), good, d)) }},
		"another of the keys": {sign: func(t *testing.T, at registrytest.Target, d string) { ok(t, at.Sign(t.Context(), other, d)) }},
		"a referrer": {sign: func(t *testing.T, at registrytest.Target, d string) {
			ok(t, at.Refer(t.Context(), simpleKind, d, good.Simple("x", d)))
		}},
		"a bundle": {sign: func(t *testing.T, at registrytest.Target, d string) {
			ok(t, at.Refer(t.Context(), bundleKind, d, good.Bundle(d, signing)))
		}},
		"two, one of which counts": {sign: func(t *testing.T, at registrytest.Target, d string) {
			ok(t, at.Sign(t.Context(), bad, d))
			ok(t, at.Refer(t.Context(), simpleKind, d, good.Simple("x", d)))
		}},
		"none":           {sign: func(*testing.T, registrytest.Target, string) {}, says: "it is not signed: sign it with cosign sign --key and one of the 2 keys"},
		"an unknown key": {sign: func(t *testing.T, at registrytest.Target, d string) { ok(t, at.Sign(t.Context(), bad, d)) }, says: "it is signed, but not with one of the 2 keys"},
		"of another digest": {sign: func(t *testing.T, at registrytest.Target, d string) {
			l := good.Simple("x", "sha256:"+strings.Repeat("1", 64))
			ok(t, at.Refer(t.Context(), simpleKind, d, l))
		}, says: "it is signed, but not with"},
		"a changed text": {sign: func(t *testing.T, at registrytest.Target, d string) {
			l := good.Simple("x", d)
			l.Data = bytes.Replace(l.Data, []byte("null"), []byte("{}"), 1)
			ok(t, at.Refer(t.Context(), simpleKind, d, l))
		}, says: "it is signed, but not with"},
		"said of it, not signed": {sign: func(t *testing.T, at registrytest.Target, d string) {
			ok(t, at.Refer(t.Context(), bundleKind, d, good.Bundle(d, "https://spdx.dev/Document")))
		}, says: "it is signed, but not with"},
		"a bundle of another digest": {sign: func(t *testing.T, at registrytest.Target, d string) {
			ok(t, at.Refer(t.Context(), bundleKind, d, good.Bundle("sha256:"+strings.Repeat("1", 64), signing)))
		}, says: "it is signed, but not with"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			at := registrytest.Target{Address: s.Host + "/charts"}
			digest := must(at.PushChart(t.Context(), chart("1.0.0"), nil))(t)
			in := registrytest.Target{Address: s.Host + "/charts/web"}
			c.sign(t, in, digest)
			w := registry.Wish{URL: "oci://" + s.Host + "/charts", Name: "web", Version: "1.0.0", Access: insecure, Trust: trust(t, good, other)}
			dir := t.TempDir()
			if c.says != "" {
				refused(t, charts(t, dir), w, fault.Denied, c.says)
				return
			}
			got := find(t, charts(t, dir), w)
			if !strings.HasPrefix(got.Signer, "team-") || !strings.Contains(got.Signer, ".pub (SHA256:") || got.Digest != digest {
				t.Errorf("signed by %q, %s", got.Signer, got.Digest)
			}
			// What was taken unsigned, or for another key, says nothing of this one.
			w.Trust = trust(t, bad)
			s.Down(true)
			refused(t, charts(t, dir), w, fault.Transient, "ask ")
		})
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSignatureUnreachable: that a signature cannot be looked for is not that there is none, and nothing is taken meanwhile.
func TestSignatureUnreachable(t *testing.T) {
	s := start(t)
	key := registrytest.NewKey()
	at := registrytest.Target{Address: s.Host + "/charts"}
	must(at.PushChart(t.Context(), chart("1.0.0"), nil))(t)
	asked := 0
	c := registry.KeepCharts(t.TempDir(), registry.Options{OnRequest: func(string) {
		if asked++; asked > 2 { // the manifest, the chart
			s.Down(true)
		}
	}})
	w := registry.Wish{URL: "oci://" + s.Host + "/charts", Name: "web", Version: "1.0.0", Access: insecure, Trust: trust(t, key)}
	refused(t, c, w, fault.Transient, "look for the signature of sha256:")
}

// provenance is what helm package --sign writes.
func provenance(t *testing.T, by *openpgp.Entity, c registrytest.Chart, sum string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := clearsign.Encode(&out, by.PrivateKey, nil)
	ok(t, err)
	_, err = fmt.Fprintf(w, "apiVersion: v2\nname: %s\nversion: %s\n\n...\nfiles:\n  %s-%s.tgz: %s\n", c.Name, c.Version, c.Name, c.Version, sum)
	ok(t, err)
	ok(t, w.Close())
	return out.Bytes()
}

func entity(t *testing.T, name string) (*openpgp.Entity, []byte) {
	t.Helper()
	e, err := openpgp.NewEntity(name, "", name+"@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return time.Now().Add(-time.Hour) }})
	ok(t, err)
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	ok(t, err)
	ok(t, e.Serialize(w))
	_, err = io.WriteString(&out, "")
	ok(t, err)
	ok(t, w.Close())
	return e, out.Bytes()
}

func TestProvenance(t *testing.T) {
	ada, adaKey := entity(t, "ada")
	eve, _ := entity(t, "eve")
	web := chart("1.0.0")
	sum := sha256.Sum256(web.Archive())
	right := "sha256:" + hex.EncodeToString(sum[:])
	wrong := "sha256:" + strings.Repeat("1", 64)
	forged := bytes.Replace(provenance(t, ada, web, wrong), []byte(wrong), []byte(right), 1)
	for name, c := range map[string]struct {
		text []byte
		says string
	}{
		"signed":             {text: provenance(t, ada, web, right)},
		"of another archive": {text: provenance(t, ada, web, wrong), says: "is that of another archive"},
		"of another key":     {text: provenance(t, eve, web, right), says: "which is not the key"},
		"changed":            {text: forged, says: "is not good"},
		"not signed":         {text: []byte("files:\n  web-1.0.0.tgz: " + right + "\n"), says: "is not signed in the clear"},
		"none":               {says: ""},
	} {
		for _, url := range []string{"http://%s/charts", "oci://%s/charts"} {
			t.Run(name+" "+url[:4], func(t *testing.T) {
				s := start(t)
				s.Publish(web)
				if c.text != nil {
					s.Put("web-1.0.0.tgz.prov", c.text)
				}
				must(registrytest.Target{Address: s.Host + "/charts"}.PushChart(t.Context(), web, c.text))(t)
				w := registry.Wish{URL: fmt.Sprintf(url, s.Host), Name: "web", Version: "1.0.0", Access: insecure, Trust: must(registry.TrustOf(map[string][]byte{"ada.asc": adaKey}))(t)}
				switch {
				case name == "none" && url[:4] == "http":
					refused(t, charts(t, t.TempDir()), w, fault.Denied, "there is no provenance file http")
				case name == "none":
					refused(t, charts(t, t.TempDir()), w, fault.Denied, "there is no key of cosign")
				case c.says != "":
					refused(t, charts(t, t.TempDir()), w, fault.Denied, c.says)
				default:
					if got := find(t, charts(t, t.TempDir()), w); !strings.HasPrefix(got.Signer, "ada <ada@example.com> (OpenPGP ") {
						t.Errorf("signed by %q", got.Signer)
					}
				}
			})
		}
	}
}

func TestTrusts(t *testing.T) {
	for says, entries := range map[string]map[string][]byte{
		"there is no key":             {},
		"it holds a private key":      {"k": append(registrytest.NewKey().Public, []byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")...)},
		"read key k: it is no PEM":    {"k": []byte("-----BEGIN PUBLIC KEY-----\n")},
		"read key ada":                {"ada": []byte("not a key")},
		"read key k: it holds a \"CE": {"k": append([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), registrytest.NewKey().Public...)},
	} {
		if _, err := registry.TrustOf(entries); err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
	}
	if (registry.Trust{}).Asked() || !trust(t, registrytest.NewKey()).Asked() {
		t.Error("whether a signature is asked for")
	}
}
