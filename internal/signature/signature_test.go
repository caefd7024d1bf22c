package signature_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/signature"
)

// The cases were made with the real gpg, ssh-keygen and git: testdata/make.sh.

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// everyone is the entries of a Secret with all known keys.
func everyone(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, name := range []string{"keys-two.asc", "keys-nistp256.asc", "keys-expired.asc", "keys-revoked.asc", "keys-subkey.asc", "keys-ssh.pub"} {
		all[name] = file(t, name)
	}
	return all
}

func ring(t testing.TB, entries map[string][]byte) signature.Ring {
	t.Helper()
	r, err := signature.Parse(entries)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var (
	signedOn = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	later    = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
)

func commit(t testing.TB, name string) signature.Signed {
	t.Helper()
	s, err := signature.OfCommit(file(t, name+".commit"), name == "wide")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCommits(t *testing.T) {
	r := ring(t, everyone(t))
	for name, c := range map[string]struct {
		at   time.Time
		by   string // the Signer begins so
		says string // the refusal has this
	}{
		"pgp-rsa":      {by: "rsa <rsa@example.com> (OpenPGP "},
		"pgp-ed25519":  {by: "ed25519 <ed25519@example.com> (OpenPGP "},
		"pgp-nistp256": {by: "nistp256 <nistp256@example.com> (OpenPGP "},
		"pgp-subkey":   {by: "subkey <subkey@example.com> (OpenPGP "},
		"ssh-ed25519":  {by: "ed25519@example.com (SSH SHA256:"},
		"ssh-rsa":      {by: "rsa@example.com (SSH SHA256:"},
		"ssh-ecdsa":    {by: "ecdsa@example.com (SSH SHA256:"},
		"wide":         {by: "ed25519@example.com (SSH SHA256:"},
		"pgp-expired":  {says: "expired@example.com> (OpenPGP"},
		"pgp-revoked":  {says: "revoked"},
		"pgp-unknown":  {says: "which is none of the 9 keys in spec.verify"},
		"ssh-unknown":  {says: "which is none of the 9 keys in spec.verify"},
		"unsigned":     {says: "it is not signed: sign it with one of the 9 keys in spec.verify (git commit -S)"},
	} {
		t.Run(name, func(t *testing.T) {
			by, err := r.Verify(commit(t, name), later)
			switch {
			case c.says == "" && (err != nil || !strings.HasPrefix(by.String(), c.by)):
				t.Errorf("signed by %v, %v; want %s…", by, err, c.by)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || fault.KindOf(err) != fault.Denied):
				t.Errorf("signed by %v, refused with %v; want %q", by, err, c.says)
			}
		})
	}
}

// A key that expires later was good until then.
func TestExpiry(t *testing.T) {
	r := ring(t, everyone(t))
	by, err := r.Verify(commit(t, "pgp-expired"), signedOn)
	if err != nil || !strings.HasPrefix(by.Name, "expired") {
		t.Errorf("signed by %v, %v", by, err)
	}
	if _, err := r.Verify(commit(t, "pgp-expired"), later); err == nil || !strings.Contains(err.Error(), "that key has expired") {
		t.Errorf("refused with %v", err)
	}

	key := strings.Split(string(file(t, "keys-ssh.pub")), "\n")[0] // ssh-ed25519
	for line, says := range map[string]string{
		`ada@example.com namespaces="git",valid-before="20260701" ` + key: "that key expired on 2026-07-01",
		`ada@example.com valid-after="20270101" ` + key:                   "that key is valid from 2027-01-01",
		`ada@example.com valid-before="20270101Z" ` + key:                 "",
		`ada@example.com,eve@example.com namespaces="file,git" ` + key:    "",
		// Of two entries for one key one is enough.
		`ada@example.com valid-before="20260701" ` + key + "\nada@example.com valid-after=20260701 " + key: "",
	} {
		by, err := ring(t, map[string][]byte{"allowed_signers": []byte(line)}).Verify(commit(t, "ssh-ed25519"), later)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) || err == nil && !strings.Contains(by.Name, "ada@example.com") {
			t.Errorf("%.60s…: signed by %v, %v; want %q", line, by, err, says)
		}
	}
}

// Whoever takes a key out of use does so by its fingerprint, and need not find the entry that holds it.
func TestRevoked(t *testing.T) {
	for _, name := range []string{"pgp-ed25519", "pgp-subkey", "ssh-rsa"} {
		entries := everyone(t)
		by, err := ring(t, entries).Verify(commit(t, name), later)
		if err != nil {
			t.Fatal(err)
		}
		entries[signature.Revoked] = []byte("# stolen\n" + by.Key + "\n")
		if _, err := ring(t, entries).Verify(commit(t, name), later); err == nil || !strings.Contains(err.Error(), "that key is revoked") {
			t.Errorf("%s: refused with %v", name, err)
		}
	}
	entries := everyone(t)
	entries[signature.Revoked] = []byte(strings.Split(string(file(t, "keys-ssh.pub")), "\n")[0])
	if _, err := ring(t, entries).Verify(commit(t, "ssh-ed25519"), later); err == nil || !strings.Contains(err.Error(), "that key is revoked") {
		t.Errorf("refused with %v", err)
	}
}

// Law: of a signed object no byte can be changed. Case and white space in the armour are no part of what it says.
func TestForged(t *testing.T) {
	r := ring(t, everyone(t))
	for _, name := range []string{"pgp-rsa", "pgp-ed25519", "pgp-nistp256", "pgp-subkey", "ssh-ed25519", "ssh-rsa", "ssh-ecdsa"} {
		raw := file(t, name+".commit")
		was, err := r.Verify(commit(t, name), later)
		if err != nil {
			t.Fatal(err)
		}
		good := commit(t, name)
		for i := range raw {
			forged := slices.Clone(raw)
			forged[i] ^= 1
			s, err := signature.OfCommit(forged, false)
			if err != nil {
				continue
			}
			by, err := r.Verify(s, later)
			if err == nil && !bytes.Equal(s.Payload, good.Payload) {
				t.Fatalf("%s: byte %d changed, and it is still signed by %s (%s before)", name, i, by, was)
			}
		}
	}
}

func TestTransplanted(t *testing.T) {
	r := ring(t, everyone(t))
	s := commit(t, "pgp-rsa")
	s.Signature = commit(t, "pgp-ed25519").Signature
	if _, err := r.Verify(s, later); err == nil || !strings.Contains(err.Error(), "is not good") {
		t.Errorf("a signature of another commit: %v", err)
	}
	s = commit(t, "ssh-ed25519")
	s.Signature = file(t, "other-namespace.sig")
	if _, err := r.Verify(s, later); err == nil || !strings.Contains(err.Error(), "is not good: namespace does not match") {
		t.Errorf("a signature that was made for a file: %v", err)
	}
	twice := bytes.Replace(file(t, "pgp-rsa.commit"), []byte("gpgsig "), []byte("gpgsig x\ngpgsig "), 1)
	if _, err := signature.OfCommit(twice, false); err == nil || !strings.Contains(err.Error(), "signed twice") {
		t.Errorf("two signatures: %v", err)
	}
	if s, err := signature.OfCommit(file(t, "wide.commit"), false); err != nil || len(s.Signature) > 0 {
		t.Errorf("the signature of the other format counts: %q, %v", s.Signature, err)
	}
}

func TestTags(t *testing.T) {
	r := ring(t, everyone(t))
	tagged := strings.TrimSpace(string(file(t, "tagged")))
	for name, c := range map[string]struct{ file, tag, commit, by, says string }{
		"openpgp":      {file: "pgp-tag.tag", tag: "v1.0.0", commit: tagged, by: "ed25519 <ed25519@example.com> (OpenPGP "},
		"ssh":          {file: "ssh-tag.tag", tag: "v2.0.0", commit: tagged, by: "ed25519@example.com (SSH "},
		"unsigned":     {file: "unsigned.tag", tag: "v3.0.0", commit: tagged, says: "it is not signed"},
		"renamed":      {file: "pgp-tag.tag", tag: "v1.0.1", commit: tagged, says: `it was made under the name "v1.0.0"`},
		"other commit": {file: "pgp-tag.tag", tag: "v1.0.0", commit: strings.Repeat("0", 40), says: "and not the commit"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := signature.OfTag(file(t, c.file), c.tag, c.commit)
			var by signature.Signer
			if err == nil {
				by, err = r.Verify(s, later)
			}
			switch {
			case c.says == "" && (err != nil || !strings.HasPrefix(by.String(), c.by)):
				t.Errorf("signed by %v, %v; want %s…", by, err, c.by)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("signed by %v, refused with %v; want %q", by, err, c.says)
			}
		})
	}
}

func TestRings(t *testing.T) {
	for says, entries := range map[string]map[string][]byte{
		"there is no key":                      {},
		"read key ada: line 2: it is no publi": {"ada": []byte("# Ada\nssh-ed25519\n")},
		"read key k: it holds a private key":   {"k": []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n")},
		"read key p: it is no OpenPGP public":  {"p": []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n")},
		"certificates of SSH are not support":  {"a": []byte("* cert-authority " + string(file(t, "keys-ssh.pub")))},
		`the option "no-touch" is not known`:   {"a": []byte("a@b no-touch " + strings.Split(string(file(t, "keys-ssh.pub")), "\n")[0])},
		`namespaces are "file"`:                {"a": []byte(`a@b namespaces="file" ` + strings.Split(string(file(t, "keys-ssh.pub")), "\n")[0])},
		`"soon" is no time of the form`:        {"a": []byte(`a@b valid-before="soon" ` + strings.Split(string(file(t, "keys-ssh.pub")), "\n")[0])},
		"read key revoked: line 1":             {"revoked": []byte("Eve\n"), "a": file(t, "keys-ssh.pub")},
		"larger than":                          {"a": bytes.Repeat([]byte("#\n"), 1<<20)},
	} {
		_, err := signature.Parse(entries)
		if err == nil || !strings.Contains(err.Error(), says) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v: %v; want %q", slices.Sorted(maps.Keys(entries)), err, says)
		}
	}
	if _, err := (signature.Ring{}).Verify(commit(t, "pgp-rsa"), later); err == nil {
		t.Error("the zero Ring accepts a signature")
	}
}

// FuzzVerify: whatever an object holds, nothing is believed that was not signed, and nothing panics.
func FuzzVerify(f *testing.F) {
	r := ring(f, everyone(f))
	genuine := map[string]bool{}
	paths, err := filepath.Glob("testdata/*.commit")
	if err != nil || len(paths) == 0 {
		f.Fatal(paths, err)
	}
	for _, p := range paths {
		raw := file(f, filepath.Base(p))
		f.Add(raw)
		s, err := signature.OfCommit(raw, strings.HasPrefix(filepath.Base(p), "wide"))
		if err != nil {
			f.Fatal(err)
		}
		genuine[string(s.Payload)] = true
	}
	f.Add(file(f, "pgp-tag.tag"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, wide := range []bool{false, true} {
			s, err := signature.OfCommit(raw, wide)
			if err != nil {
				continue
			}
			if by, err := r.Verify(s, later); err == nil && !genuine[string(s.Payload)] {
				t.Errorf("%q is believed to be signed by %s", s.Payload, by)
			}
		}
		_, _ = signature.OfTag(raw, "v1.0.0", "00")
	})
}

// FuzzParse: whatever a Secret holds, it is a ring or an error.
func FuzzParse(f *testing.F) {
	for name, data := range everyone(f) {
		f.Add(name, data)
	}
	f.Add("revoked", []byte("SHA256:abc\nOpenPGP 0123456789ABCDEF0123456789ABCDEF01234567\n"))
	f.Add("allowed_signers", append([]byte(`a@b namespaces="git",valid-before="20270101" `), file(f, "keys-ssh.pub")...))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		r, err := signature.Parse(map[string][]byte{name: data})
		if err == nil && r.Len() == 0 {
			t.Error("a ring without keys is no error")
		}
	})
}
