package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/fairlead-cd/fairlead/internal/secret/sops"
)

// recipients are the flags that say for whom a file is encrypted.
type recipients struct{ age, pgp, ring []string }

func (r *recipients) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&r.age, "age", nil, "recipient: the public key of an age key, age1…, or an SSH key; may be given several times")
	f.StringArrayVar(&r.pgp, "pgp", nil, "recipients: a file of public OpenPGP keys; may be given several times")
	f.StringArrayVar(&r.ring, "pgp-keyring", nil,
		"file of public OpenPGP keys, or directory of such files, *.asc and *.gpg, for the fingerprints in creation rules; may be given several times (default: the nearest "+sops.PublicFile+" at or above the file)")
}

func (r recipients) named() bool { return len(r.age)+len(r.pgp) > 0 }

// name puts the recipients that were named in the place of those of a rule, and adds the public keys that there are.
func (r recipients) name(how *sops.Creation, file string) error {
	if r.named() {
		how.Age, how.PGP = r.age, nil
	}
	for _, to := range r.age {
		if err := sops.CheckRecipient(to); err != nil {
			return err
		}
	}
	for _, name := range r.pgp {
		fingerprints, err := addPublic(&how.Public, name)
		if err != nil {
			return err
		}
		for _, to := range fingerprints {
			if !slices.Contains(how.PGP, to) {
				how.PGP = append(how.PGP, to)
			}
		}
	}
	return r.publish(&how.Public, file)
}

// publish adds the keys of the rings, or those that are in Git beside the file.
func (r recipients) publish(to *sops.Public, file string) error {
	names := r.ring
	if len(names) == 0 {
		if near := nearestFile(file, sops.PublicFile); near != "" {
			names = []string{near}
		}
	}
	for _, name := range names {
		files, err := ringFiles(name)
		if err != nil {
			return err
		}
		for _, file := range files {
			if _, err := addPublic(to, file); err != nil {
				return err
			}
		}
	}
	return nil
}

func addPublic(to *sops.Public, name string) ([]string, error) {
	data, err := readBounded(name, maxKeyFile)
	if err != nil {
		return nil, err
	}
	return to.Add(name, data)
}

// ringFiles are the files of a directory that hold keys, or the file itself.
func ringFiles(name string) ([]string, error) {
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		return []string{name}, nil // who reads it says what is wrong
	}
	var out []string
	err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err == nil && !d.IsDir() && (ext == ".asc" || ext == ".gpg") {
			out = append(out, path)
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s: there is no *.asc and no *.gpg file in it", name)
	}
	return out, err
}

// nearestFile is the file of a name in the directory of another, or above it; empty if there is none.
func nearestFile(beside, name string) string {
	full, err := filepath.Abs(beside)
	if err != nil {
		return ""
	}
	for dir := filepath.Dir(full); ; dir = filepath.Dir(dir) {
		file := filepath.Join(dir, name)
		if !isAbsentFile(file) {
			return file
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// creation is how a file is encrypted by the rules above it, for the recipients that were named, if any were.
func creation(name string, to recipients) (how sops.Creation, err error) {
	if file := nearestFile(name, sops.RulesFile); file != "" {
		if how, err = ruled(file, name, to.named()); err != nil {
			return how, err
		}
	}
	how.Now = time.Now()
	return how, to.name(&how, name)
}

// errNoRule is that no rule is for a file.
type errNoRule struct{ name, file string }

func (e errNoRule) Error() string {
	return fmt.Sprintf("%s: no creation rule of %s matches it: name the recipients with --age or --pgp, or add a rule", e.name, e.file)
}

// ruled reads the rule for a file. If recipients are named, a rule that cannot be followed does not count.
func ruled(file, name string, named bool) (sops.Creation, error) {
	data, err := readBounded(file, maxKeyFile)
	if err != nil {
		return sops.Creation{}, err
	}
	rules, err := sops.ParseRules(file, data)
	if err != nil {
		return sops.Creation{}, err
	}
	full, err := filepath.Abs(name)
	if err != nil {
		return sops.Creation{}, err
	}
	rel, err := filepath.Rel(filepath.Dir(file), full)
	if err != nil {
		return sops.Creation{}, err
	}
	how, matches, err := rules.For(filepath.ToSlash(rel))
	switch {
	case err != nil && named:
		return sops.Creation{}, nil
	case err != nil:
		return how, err
	case !matches && !named:
		return how, errNoRule{full, file}
	}
	return how, nil
}
