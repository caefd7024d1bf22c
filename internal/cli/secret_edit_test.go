package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const editKey = "../secret/sops/testdata/real/age.agekey"

// toEdit makes an encrypted file, and a place for plain text in which nothing may be left.
func toEdit(t *testing.T) (file string, data []byte) {
	t.Helper()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Cleanup(func() {
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("plain text is left: %v, %v", left, err)
		}
	})
	data, err := os.ReadFile("../secret/sops/testdata/real/secret.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "secret.yaml")
	if err := os.WriteFile(file, data, 0o640); err != nil {
		t.Fatal(err)
	}
	return file, data
}

// TestSecretEdit: an editor that does something else than it should leaves the file as it was, and no plain text.
func TestSecretEdit(t *testing.T) {
	for _, c := range []struct {
		editor, out, err string
		code             int
	}{
		{"true", "is as it was: nothing was changed", "^$", 0},
		{`sed -i 's/correct horse/other "horse"/'`, "is changed, and encrypted for whom it was", "^$", 0},
		{"exit 3; :", "^$", "the editor exit: exit status 3: .*secret.yaml is as it was", 1},
		{"no-such-editor", "^$", "the editor no-such-editor: exit status 127", 1},
		{"truncate -s 0", "^$", "the editor left an empty file", 1},
		{"rm", "^$", "read what the editor left: .*there is no such file", 1},
		{"sed -i 's/port: .*/port: [correct/'", "^$", `error: .*secret.yaml:1\d: it is no YAML`, 1},
		{"sed -i 's/^stringData:/other:/'", "^$", "nothing in it would be encrypted by the rule of the file", 1},
		{"kill -TERM $PPID; exec sleep 60 #", "^$", `ended by the signal "terminated"`, 1},
		{"trap '' HUP; kill -HUP $PPID; exec sleep 60 #", "^$", `ended by the signal "hangup"`, 1},
		{"kill -INT $PPID; sed -i 's/correct horse/other horse/'", "is changed", "^$", 0}, // it is the editor's
	} {
		t.Run(c.editor, func(t *testing.T) {
			file, data := toEdit(t)
			want{"secret edit " + file + " --age-key-file " + editKey, c.code, c.out, c.err}.check(t, map[string]string{"EDITOR": c.editor})
			is, err := os.ReadFile(file)
			if err != nil || (string(is) == string(data)) == strings.HasPrefix(c.out, "is changed") {
				t.Errorf("the file is changed: %t, %v", string(is) != string(data), err)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("its mode is %v, %v", info.Mode(), err)
			}
			if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
				t.Errorf("beside it: %v, %v", left, err)
			}
		})
	}
}

// TestSecretEditPrivate: nobody else can read the plain text, and the name tells the editor what it is.
func TestSecretEditPrivate(t *testing.T) {
	file, _ := toEdit(t)
	seen := filepath.Join(t.TempDir(), "seen")
	editor := `see() { stat -c %a "$1" "$(dirname "$1")" >` + seen + `; basename "$1" >>` + seen + `; }; see`
	want{"secret edit " + file + " --age-key-file " + editKey, 0, "is as it was", "^$"}.check(t, map[string]string{"EDITOR": "false", "VISUAL": "false", "SOPS_EDITOR": editor})
	if got, err := os.ReadFile(seen); err != nil || string(got) != "600\n700\nsecret.yaml\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestSecretEditMeanwhile: what somebody else has written meanwhile stays.
func TestSecretEditMeanwhile(t *testing.T) {
	file, data := toEdit(t)
	want{"secret edit " + file + " --age-key-file " + editKey, 1, "^$", "was changed by somebody else while it was edited"}.check(t,
		map[string]string{"EDITOR": "echo >>" + file + "; sed -i s/correct/other/"})
	if is, err := os.ReadFile(file); err != nil || string(is) != string(data)+"\n" {
		t.Errorf("the file is another, %v", err)
	}
}

// TestSecretEditRefused: before an editor begins.
func TestSecretEditRefused(t *testing.T) {
	file, _ := toEdit(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"sealed.yaml": "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: db, namespace: shop}\nspec: {encryptedData: {a: AgBy}}\n", "plain.yaml": "a: b\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"EDITOR": "touch " + dir + "/edited #"}
	want{"secret edit " + file, 1, "^$", "no private key is here: name yours with --age-key-file or --pgp-key-file"}.check(t, env)
	want{"secret edit " + dir + "/sealed.yaml", 1, "^$", "SealedSecret.bitnami.com shop/db opens in the cluster alone, .* seal it with 'fairlead secret seal'"}.check(t, env)
	want{"secret edit " + dir + "/plain.yaml", 1, "^$", "it is not encrypted by SOPS: edit it as any other file, and encrypt it with 'fairlead secret encrypt'"}.check(t, env)
	want{"secret edit " + dir + "/none.yaml", 1, "^$", "there is no such file"}.check(t, env)
	if _, err := os.Stat(dir + "/edited"); err == nil {
		t.Error("the editor began")
	}
	t.Setenv("PATH", "")
	want{"secret edit " + file + " --age-key-file " + editKey, 1, "^$", `there is no editor: name one in \$EDITOR`}.check(t, nil)
}
