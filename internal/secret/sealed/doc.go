// Package sealed makes Secrets of the SealedSecrets of Bitnami's Sealed Secrets, and SealedSecrets of Secrets.
//
//	secret, err := sealed.Unseal(object, "shop", keys)
//	object, err := sealed.Seal(secret, certificate.PublicKey, sealed.Strict)
//
// It asks nobody: keys are given to it.
//
// Invariants:
//   - What is bound to a namespace or a name opens there alone: the scope is part of what is encrypted.
//   - One value that does not open, and there is no Secret.
//   - An error names keys of values, namespaces and certificates; never a value, encrypted or not.
//   - A template sees the decrypted values and nothing else: no environment, no network, no clock, no chance. What it may take is bounded: see template.go.
package sealed
