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

// privateKeys are those of who runs a command. Age keys are found where sops finds them; nobody is asked for OpenPGP keys.
type privateKeys struct{ age, pgp string }

func (p *privateKeys) flag(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.age, "age-key-file", "", "file of private age keys that open SOPS files (default: $SOPS_AGE_KEY_FILE, or the keys in $SOPS_AGE_KEY)")
	f.StringVar(&p.pgp, "pgp-key-file", "", "file of private OpenPGP keys without a passphrase that open SOPS files")
}

// maxKeyFile bounds a file of keys.
const maxKeyFile = 1 << 20

func (p privateKeys) read(w IO) (sops.Keys, error) {
	var keys sops.Keys
	file := p.age
	if file == "" && w.Getenv != nil {
		if text := w.Getenv("SOPS_AGE_KEY"); text != "" {
			if err := keys.AddAge("SOPS_AGE_KEY", []byte(text)); err != nil {
				return keys, err
			}
		}
		file = w.Getenv("SOPS_AGE_KEY_FILE")
	}
	for _, from := range []struct {
		file string
		add  func(string, []byte) error
	}{{file, keys.AddAge}, {p.pgp, keys.AddPGP}} {
		if from.file == "" {
			continue
		}
		data, err := readBounded(from.file, maxKeyFile)
		if err == nil {
			err = from.add(from.file, data)
		}
		if err != nil {
			return keys, err
		}
	}
	return keys, nil
}

// orName says how a person names keys, if there are none and the file takes one.
func orName(keys sops.Keys, err error) error {
	if errors.Is(err, sops.ErrNoKey) && keys.None() {
		return fmt.Errorf("%w: name yours with --age-key-file or --pgp-key-file", err)
	}
	return err
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
		_, _ = fmt.Fprintln(w.Err, "note: SOPS files open with a key that they are encrypted for, in --age-key-file or --pgp-key-file; SealedSecrets open in the cluster alone")
	}
}
