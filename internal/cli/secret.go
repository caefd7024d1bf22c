package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/secret/sops"
)

func secretCommand(w IO) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Encrypt what is secret, so that it can be in Git",
		Long: `Writes and reads the two formats of secrets in Git that Fairlead opens when it renders an app: files of SOPS, encrypted for
age and OpenPGP keys, and SealedSecrets. No other program is needed, and each other program that knows these formats works as well.

Plain text is printed by 'decrypt' alone, and shown by 'edit' to the editor.`,
	}
	cmd.AddCommand(secretEncryptCommand(w), secretDecryptCommand(w), secretEditCommand(w), secretRotateCommand(w), secretSealCommand(w), secretKeysCommand(w))
	return cmd
}

// maxSecretFile bounds the files that are encrypted and decrypted.
const maxSecretFile = 16 << 20

// encryptOptions are the flags of encrypt.
type encryptOptions struct {
	to     recipients
	regex  string
	stdout bool
}

func secretEncryptCommand(w IO) *cobra.Command {
	var o encryptOptions
	cmd := &cobra.Command{
		Use:   "encrypt FILE...",
		Short: "Encrypt files in place, as SOPS does",
		Long: `Encrypts YAML, JSON and dotenv files value by value, and any other file as a whole, in place. Whoever has the private key of
one of the recipients can open them: the cluster, with the Secret that spec.render.decryption.secretRef of the Environment
names, and people, with 'fairlead secret decrypt', 'fairlead secret edit' or sops.

The recipients, and which values are encrypted, are said by the creation rules of the nearest ` + sops.RulesFile + ` at or above a file, or
by flags. Where a rule has the fingerprint of an OpenPGP key, the public key has to be in the nearest ` + sops.PublicFile + `, or in
what --pgp-keyring names: GnuPG is not asked. Of a file that says "kind: Secret" only what is below data and stringData is encrypted, unless a rule says otherwise.`,
		Example: `  fairlead secret encrypt apps/web/production/database.yaml --age age1…
  fairlead secret encrypt apps/web/production/database.yaml --pgp team.asc
  fairlead secret encrypt apps/web/production/settings.env`,
		Args: someFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			if o.stdout && len(args) > 1 {
				return usagef("--stdout takes one file")
			}
			for _, name := range args {
				if err := o.encrypt(w, name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	o.to.flags(f)
	f.StringVar(&o.regex, "encrypted-regex", "", "encrypt what is below the keys that match, and nothing else")
	f.BoolVar(&o.stdout, "stdout", false, "print the encrypted file, and leave the file as it is")
	return cmd
}

func someFiles(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("say which files")
	}
	return nil
}

func (o *encryptOptions) encrypt(w IO, name string) error {
	data, err := readBounded(name, maxSecretFile)
	if err != nil {
		return err
	}
	how, err := creation(name, o.to)
	if err != nil {
		return err
	}
	if len(how.Recipients()) == 0 {
		return fmt.Errorf("%s: no recipients: name one with --age age1… or --pgp FILE, or in the creation rules of a %s at or above it", name, sops.RulesFile)
	}
	switch {
	case o.regex != "":
		how.Rule = map[string]string{"encrypted_regex": o.regex}
	case len(how.Rule) == 0 && isSecretManifest(name, data):
		how.Rule = map[string]string{"encrypted_regex": "^(data|stringData)$"}
	}
	out, err := sops.Encrypt(name, data, how)
	if err != nil {
		return err
	}
	if o.stdout {
		_, err = w.Out.Write(out)
		return err
	}
	if err := replaceFile(name, out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.Out, "%s is encrypted for %s\n", name, strings.Join(how.Recipients(), ", "))
	return err
}

// isSecretManifest reports whether a file is one of Kubernetes' Secrets: the rest of it is for people to read.
func isSecretManifest(name string, data []byte) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml":
		return strings.Contains("\n"+string(data), "\nkind: Secret\n")
	}
	return false
}

func isAbsentFile(name string) bool {
	_, err := os.Stat(name)
	return errors.Is(err, os.ErrNotExist)
}

// replaceFile writes a file whole or not at all. Of a link it is what that points to: in its place, the file itself would stay as it was.
func replaceFile(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".fairlead-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func secretDecryptCommand(w IO) *cobra.Command {
	var keys privateKeys
	cmd := &cobra.Command{
		Use:     "decrypt FILE",
		Short:   "Print what a SOPS file holds",
		Long:    "Decrypts a file of SOPS with an age or OpenPGP key of this machine, and prints it. Its MAC is verified: nothing is printed of a file that was changed.",
		Example: "  fairlead secret decrypt apps/web/production/database.yaml --age-key-file ~/keys.txt",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("say which file: decrypt takes exactly one")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := readBounded(args[0], maxSecretFile)
			if err != nil {
				return err
			}
			file, err := sops.Read(args[0], data)
			if err != nil {
				return err
			}
			held, err := keys.read(w)
			if err != nil {
				return err
			}
			plain, err := file.Open(held)
			if err != nil {
				return orName(held, err)
			}
			_, err = w.Out.Write(plain.Exact)
			return err
		},
	}
	keys.flag(cmd)
	return cmd
}

// rotateOptions are the flags of rotate.
type rotateOptions struct {
	target
	keys         privateKeys
	to           recipients
	accept       bool
	keyNamespace string
}

func secretRotateCommand(w IO) *cobra.Command {
	var o rotateOptions
	cmd := &cobra.Command{
		Use:   "rotate FILE...",
		Short: "Encrypt files again, for other keys",
		Long: `Encrypts files of SOPS again, in place, with a new data key: for the recipients that --age and --pgp name, else for those of the
creation rule for the file, else for the same. It takes a key of this machine that opens them. A manifest with SealedSecrets is
sealed again with the newest key of the cluster, for which your own identity has to be able to read the keys.

Nothing has to be done at once: the cluster tries all of its keys, so that a new key can be added first, files be rotated one
by one, and the old key be removed when nothing needs it any more.`,
		Example: `  fairlead secret rotate apps/*/production/*.enc.yaml --age age1… --age-key-file ~/keys.txt
  fairlead secret rotate apps/web/production/sealed.yaml -n shop`,
		Args: someFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if err := o.rotate(cmd.Context(), w, name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	o.keys.flag(cmd)
	o.clusterFlags(cmd.Flags())
	o.namespaceFlag(cmd)
	f := cmd.Flags()
	o.to.flags(f)
	f.BoolVar(&o.accept, "accept-changes", false, "accept a SOPS file whose MAC is another: its values are as they should be")
	f.StringVar(&o.keyNamespace, "key-namespace", "", "namespace with the keys of SealedSecrets (default: that of -n)")
	return cmd
}

func (o *rotateOptions) rotate(ctx context.Context, w IO, name string) error {
	data, err := readBounded(name, maxSecretFile)
	if err != nil {
		return err
	}
	file, err := sops.Read(name, data)
	if errors.Is(err, sops.ErrPlain) {
		return o.reseal(ctx, w, name, data)
	}
	if err != nil {
		return err
	}
	keys, err := o.keys.read(w)
	if err != nil {
		return err
	}
	how, err := o.creation(name)
	if err != nil {
		return err
	}
	how.Public = how.Public.And(keys.Public())
	out, err := file.Rotate(keys, how, o.accept)
	if err != nil {
		return orName(keys, err)
	}
	if err := replaceFile(name, out); err != nil {
		return err
	}
	names := how.Recipients()
	if len(names) == 0 {
		names = file.Recipients()
	}
	_, err = fmt.Fprintf(w.Out, "%s is encrypted for %s\n", name, strings.Join(names, ", "))
	return err
}

// creation is how a file is encrypted again. If no rule says for whom, it has no recipients: the file is for the same ones then.
func (o *rotateOptions) creation(name string) (sops.Creation, error) {
	how, err := creation(name, o.to)
	if errors.As(err, &errNoRule{}) || errors.Is(err, sops.ErrNobody) || errors.Is(err, sops.ErrOthers) {
		how = sops.Creation{Now: time.Now()}
		err = o.to.name(&how, name)
	}
	return how, err
}

// readInput reads a file, or what is piped in if its name is -.
func readInput(w IO, name string) ([]byte, error) {
	if name != "-" {
		return readBounded(name, maxSecretFile)
	}
	data, err := io.ReadAll(io.LimitReader(w.In, maxSecretFile+1))
	if err == nil && len(data) > maxSecretFile {
		err = fmt.Errorf("standard input: larger than %d MiB", maxSecretFile>>20)
	}
	return data, err
}
