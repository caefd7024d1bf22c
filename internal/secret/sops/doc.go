// Package sops reads and writes the files of SOPS: YAML, JSON, dotenv, INI and binary, whose values are encrypted with a data key, which is encrypted for age or
// OpenPGP keys.
//
//	file, err := sops.Read("apps/web/secret.yaml", data)
//	plain, err := file.Open(keys)
//
// It asks nobody: no network, no files, no gpg. What needs the KMS of a cloud is refused, and the error says what to do.
//
// Invariants:
//   - Nothing is given out unless the whole file opened and its MAC is right.
//   - An error names files, lines, paths of keys, recipients and fingerprints; never a value, encrypted or not.
//   - What a file costs is bounded before it is paid: see bounds.go.
//   - A decrypted YAML file has its lines where the encrypted one has them, as far as SOPS wrote it.
package sops
