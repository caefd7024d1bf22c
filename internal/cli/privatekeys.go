package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/secret/sops"
)

// ageKeys are the private keys of who runs a command, found where sops finds them.
type ageKeys struct{ file string }

func (a *ageKeys) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.file, "age-key-file", "", "file of private age keys that open SOPS files (default: $SOPS_AGE_KEY_FILE, or the keys in $SOPS_AGE_KEY)")
}

// maxKeyFile bounds a file of keys.
const maxKeyFile = 1 << 20

func (a ageKeys) read(w IO) (sops.Keys, error) {
	var keys sops.Keys
	file := a.file
	if file == "" && w.Getenv != nil {
		if text := w.Getenv("SOPS_AGE_KEY"); text != "" {
			if err := keys.AddAge("SOPS_AGE_KEY", []byte(text)); err != nil {
				return keys, err
			}
		}
		file = w.Getenv("SOPS_AGE_KEY_FILE")
	}
	if file == "" {
		return keys, nil
	}
	data, err := readBounded(file, maxKeyFile)
	if err != nil {
		return keys, err
	}
	return keys, keys.AddAge(file, data)
}

// readBounded reads a file that a person named.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s: there is no such file", name)
		}
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s: larger than %d KiB", name, most>>10)
	}
	return data, err
}

// sayMissing tells what was not opened, and what was not read.
func sayMissing(w IO, closed []object.Origin, unread []string) {
	for _, what := range unread {
		_, _ = fmt.Fprintf(w.Err, "note: %s: not read, as the cluster is not asked: what the controller renders may differ\n", what)
	}
	for _, at := range closed {
		_, _ = fmt.Fprintf(w.Err, "note: %s: encrypted, and not opened: its values are not those that will be applied\n", at)
	}
	if len(closed) > 0 {
		_, _ = fmt.Fprintln(w.Err, "note: SOPS files open with a key that they are encrypted for, in --age-key-file; SealedSecrets open in the cluster alone")
	}
}
