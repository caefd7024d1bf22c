package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	fileage "filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/cmd/sops/common"
	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/decrypt"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/pgp"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: sopsfiles write|open DIR")
	}
	switch args[0] {
	case "write":
		return write(args[1])
	case "open":
		return open(args[1])
	}
	return fmt.Errorf("%s: neither write nor open", args[0])
}

// open decrypts every file NAME of a directory for which there is NAME.plain, and compares: but for comments, since SOPS moves them when it decrypts.
func open(dir string) error {
	home, err := importPGP(filepath.Join(dir, "pgp.asc"))
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(home) }()
	if err := os.Setenv("SOPS_AGE_KEY_FILE", filepath.Join(dir, "age.agekey")); err != nil {
		return err
	}
	plains, err := filepath.Glob(filepath.Join(dir, "*.plain"))
	if err != nil {
		return err
	}
	if len(plains) == 0 {
		return fmt.Errorf("%s: there are no files to open", dir)
	}
	for _, plain := range plains {
		name := strings.TrimSuffix(plain, ".plain")
		format, err := formatOf(name)
		if err != nil {
			return err
		}
		got, err := decrypt.File(name, format)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		want, err := os.ReadFile(plain)
		if err != nil {
			return err
		}
		if got, want = withoutComments(name, got), withoutComments(name, want); !bytes.Equal(got, want) {
			return fmt.Errorf("%s opens to\n%s\nand not to\n%s", name, got, want)
		}
	}
	fmt.Printf("%d files open\n", len(plains))
	return nil
}

// formatOf is how a file was encrypted. Fairlead encrypts INI files as a whole, and leaves those that SOPS encrypted as they are when it edits them.
func formatOf(name string) (string, error) {
	data, err := os.ReadFile(name)
	whole := bytes.HasPrefix(data, []byte("{"))
	switch ext := filepath.Ext(name); {
	case ext == ".txt" || ext == ".ini" && whole:
		return "binary", err
	case ext == ".env":
		return "dotenv", err
	default:
		return ext[1:], err
	}
}

// importPGP makes a directory of GnuPG in which SOPS finds the private keys of a file.
func importPGP(name string) (home string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	ring, err := openpgp.ReadArmoredKeyRing(f)
	if err != nil {
		return "", err
	}
	var private bytes.Buffer
	for _, e := range ring {
		if err := e.SerializePrivateWithoutSigning(&private, nil); err != nil {
			return "", err
		}
	}
	if home, err = os.MkdirTemp("", "gnupg"); err != nil {
		return "", err
	}
	return home, errors.Join(os.WriteFile(filepath.Join(home, "secring.gpg"), private.Bytes(), 0o600), onlyHome(home))
}

// onlyHome lets SOPS look for OpenPGP keys in a directory, and not ask GnuPG.
func onlyHome(home string) error {
	return errors.Join(os.Setenv("GNUPGHOME", home), os.Setenv("SOPS_GPG_EXEC", "/nonexistent"))
}

func withoutComments(name string, data []byte) []byte {
	store := common.StoreForFormat(formats.FormatForPath(name), config.NewStoresConfig())
	docs, err := store.LoadPlainFile(data)
	if err != nil {
		return data
	}
	for i, doc := range docs {
		docs[i], _ = uncommented(doc).(sops.TreeBranch)
	}
	out, err := store.EmitPlainFile(docs)
	if err != nil {
		return data
	}
	return out
}

func uncommented(v any) any {
	switch v := v.(type) {
	case sops.TreeBranch:
		out := sops.TreeBranch{}
		for _, item := range v {
			if _, ok := item.Key.(sops.Comment); !ok {
				out = append(out, sops.TreeItem{Key: item.Key, Value: uncommented(item.Value)})
			}
		}
		return out
	case []any:
		out := []any{}
		for _, item := range v {
			if _, ok := item.(sops.Comment); !ok {
				out = append(out, uncommented(item))
			}
		}
		return out
	}
	return v
}

// file is one that is encrypted.
type file struct {
	name, plain string
	change      func(*sops.Metadata)
	groups      func(who) []sops.KeyGroup
}

// who are the keys that files are encrypted for.
type who struct{ age, hybrid, pgp, other keys.MasterKey }

const secret = `apiVersion: v1
kind: Secret
metadata:
    name: database
    # who asks for it
    labels:
        app: web
type: Opaque
stringData:
    # the password of the application
    password: correct horse battery staple
    port: "5432" # not the usual one
    empty: ""
    config: |
        user = web
        mode = "strict"
`

const values = `number: 42
ratio: 0.5
huge: 9007199254740993
yes: true
nothing: null
when: 2026-03-03T10:00:00Z
plain_unencrypted: in clear
list:
    # first
    - one
    - 2
    - nested: true
      deep:
        - x
map: {a: 1, b: [c, d]}
text: "ünïcödé ✓ \" \\ '"
`

const several = secret + `---
apiVersion: v1
kind: Secret
metadata:
    name: second
data:
    key: dmFsdWU=
`

const object = `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "json"}, "stringData": {"a": "<one>", "n": "2"}, "list": [1, 2.5, true, null, "x"]}`

const environment = "USER=web\nPASSWORD=correct horse\n# a comment\nLINES=one\\ntwo\nEMPTY=\n"

const sections = `first = 1
mode = strict

; of the database
[database]
user = web
; the password
; of the application
password = correct = horse # battery
lines_unencrypted = in clear
empty =
spaced = " a b "
odd = "it's; so"

[empty]

[last]
url = https://example.com/?a=b&c=d
`

func files() []file {
	regex := func(m *sops.Metadata) { m.EncryptedRegex, m.UnencryptedSuffix = "^(data|stringData)$", "" }
	pair := func(k keys.MasterKey) []sops.KeyGroup { return []sops.KeyGroup{{k}} }
	return []file{
		{name: "whole.yaml", plain: values},
		{name: "secret.yaml", plain: secret, change: regex},
		{name: "several.yaml", plain: several, change: regex},
		{name: "unencrypted_regex.yaml", plain: secret, change: func(m *sops.Metadata) {
			m.UnencryptedRegex, m.UnencryptedSuffix = "^(apiVersion|kind|metadata|type)$", ""
		}},
		{name: "encrypted_suffix.yaml", plain: "a_secret: one\nb: two\n", change: func(m *sops.Metadata) { m.EncryptedSuffix, m.UnencryptedSuffix = "_secret", "" }},
		{name: "unencrypted_suffix.yaml", plain: "a_open: one\nb: two\n", change: func(m *sops.Metadata) { m.UnencryptedSuffix = "_open" }},
		{name: "encrypted_comment.yaml", plain: "# secret\na: one\nb: two\nl:\n    # secret\n    - x\n    - y\n", change: func(m *sops.Metadata) {
			m.EncryptedCommentRegex, m.UnencryptedSuffix = "secret", ""
		}},
		{name: "unencrypted_comment.yaml", plain: "# public\na: one\nb: two # fine\nc:\n    # public\n    d: x\n    e: z\n", change: func(m *sops.Metadata) {
			m.UnencryptedCommentRegex, m.UnencryptedSuffix = "public", ""
		}},
		{name: "mac_only.yaml", plain: secret, change: func(m *sops.Metadata) { regex(m); m.MACOnlyEncrypted = true }},
		{name: "secret.json", plain: object, change: regex},
		{name: "whole.json", plain: object},
		{name: "settings.env", plain: environment},
		{name: "settings.ini", plain: sections},
		{name: "binary.txt", plain: "any\x01 content\nof a file\n"},
		{name: "pgp.yaml", plain: secret, change: regex, groups: func(w who) []sops.KeyGroup { return pair(w.pgp) }},
		{name: "hybrid.yaml", plain: secret, change: regex, groups: func(w who) []sops.KeyGroup { return pair(w.hybrid) }},
		{name: "either.yaml", plain: secret, change: regex, groups: func(w who) []sops.KeyGroup { return []sops.KeyGroup{{w.other, w.pgp, w.age}} }},
		{name: "shared.yaml", plain: secret, change: func(m *sops.Metadata) { regex(m); m.ShamirThreshold = 2 }, groups: func(w who) []sops.KeyGroup {
			return []sops.KeyGroup{{w.other}, {w.pgp}, {w.age}}
		}},
		{name: "shared.env", plain: environment, change: func(m *sops.Metadata) { m.ShamirThreshold = 2 }, groups: func(w who) []sops.KeyGroup {
			return []sops.KeyGroup{{w.age}, {w.pgp}}
		}},
		{name: "other.yaml", plain: secret, change: regex, groups: func(w who) []sops.KeyGroup { return pair(w.other) }},
	}
}

func write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	w, err := generate(dir)
	if err != nil {
		return err
	}
	for _, f := range files() {
		if err := encrypt(dir, f, w); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func encrypt(dir string, f file, w who) error {
	format := formats.FormatForPath(f.name)
	store := common.StoreForFormat(format, config.NewStoresConfig())
	branches, err := store.LoadPlainFile([]byte(f.plain))
	if err != nil {
		return err
	}
	plain, err := store.EmitPlainFile(branches)
	if err != nil {
		return err
	}
	m := sops.Metadata{Version: "3.13.3", UnencryptedSuffix: sops.DefaultUnencryptedSuffix, KeyGroups: []sops.KeyGroup{{w.age}}}
	if f.groups != nil {
		m.KeyGroups = f.groups(w)
	}
	if f.change != nil {
		f.change(&m)
	}
	tree := sops.Tree{Branches: branches, Metadata: m}
	key, errs := tree.GenerateDataKey()
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if err := common.EncryptTree(common.EncryptTreeOpts{DataKey: key, Tree: &tree, Cipher: aes.NewCipher()}); err != nil {
		return err
	}
	out, err := store.EmitEncryptedFile(tree)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, f.name)
	return errors.Join(os.WriteFile(name, out, 0o644), os.WriteFile(name+".plain", plain, 0o644))
}

// generate makes the keys and writes the private ones, but that of other.
func generate(dir string) (who, error) {
	var w who
	one, err := fileage.GenerateX25519Identity()
	if err != nil {
		return w, err
	}
	other, err := fileage.GenerateX25519Identity()
	if err != nil {
		return w, err
	}
	hybrid, err := fileage.GenerateHybridIdentity()
	if err != nil {
		return w, err
	}
	text := "# made for tests\n" + one.String() + "\n" + hybrid.String() + "\n"
	if err := os.WriteFile(filepath.Join(dir, "age.agekey"), []byte(text), 0o644); err != nil {
		return w, err
	}
	for _, r := range []struct {
		to        *keys.MasterKey
		recipient string
	}{{&w.age, one.Recipient().String()}, {&w.other, other.Recipient().String()}, {&w.hybrid, hybrid.Recipient().String()}} {
		key, err := age.MasterKeyFromRecipient(r.recipient)
		if err != nil {
			return w, err
		}
		*r.to = key
	}
	fp, err := generatePGP(dir)
	if err != nil {
		return w, err
	}
	w.pgp = pgp.NewMasterKeyFromFingerprint(fp)
	return w, nil
}

// generatePGP makes a key, and a directory of GnuPG in which SOPS finds the public one.
func generatePGP(dir string) (fingerprint string, err error) {
	e, err := openpgp.NewEntity("test", "", "test@example.com", &packet.Config{Time: time.Now})
	if err != nil {
		return "", err
	}
	var private bytes.Buffer
	armored, err := armor.Encode(&private, openpgp.PrivateKeyType, nil)
	if err != nil {
		return "", err
	}
	if err := errors.Join(e.SerializePrivate(armored, nil), armored.Close()); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "pgp.asc"), private.Bytes(), 0o644); err != nil {
		return "", err
	}
	home, err := os.MkdirTemp("", "gnupg")
	if err != nil {
		return "", err
	}
	var public bytes.Buffer
	if err := e.Serialize(&public); err != nil {
		return "", err
	}
	return fmt.Sprintf("%X", e.PrimaryKey.Fingerprint), errors.Join(
		os.WriteFile(filepath.Join(home, "pubring.gpg"), public.Bytes(), 0o600),
		os.WriteFile(filepath.Join(home, "secring.gpg"), nil, 0o600),
		onlyHome(home),
	)
}
