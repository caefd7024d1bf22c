package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecretOfLink: what a link points to is encrypted, and the link stays one. Else the file would stay readable, and be said to be encrypted.
func TestSecretOfLink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real", "db.yaml"), filepath.Join(dir, "db.yaml")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	const recipient = "age1lz4xluch9nqfhh530ju55fjd7lgfh994yxa0lhttv9uc98tjlplq5adr8e"
	want{"secret encrypt " + link + " --age " + recipient, 0, `is encrypted for`, `^$`}.check(t, map[string]string{})
	data, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(data), "hunter2") {
		t.Errorf("the file is %q, %v", data, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
}
