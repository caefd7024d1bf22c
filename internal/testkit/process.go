package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// Binary is the path of a program that `make build` makes. The test fails if it is not there.
func Binary(t testing.TB, name string) string {
	t.Helper()
	path, err := binary(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func binary(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", &missingError{name}
		}
		dir = up
	}
	path := filepath.Join(dir, "bin", name)
	if _, err := os.Stat(path); err != nil {
		return "", &missingError{path}
	}
	return path, nil
}

type missingError struct{ path string }

func (e *missingError) Error() string {
	return e.path + " is not there: run `make bin/" + filepath.Base(e.path) + "` first"
}
