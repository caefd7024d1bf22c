// Package signature tells who signed a commit or a tag of Git, and whether that person may.
//
//	ring, err := signature.Parse(secret.Data)          // whose signatures count
//	signed, err := signature.OfCommit(raw)             // what was signed, and the signature
//	by, err := ring.Verify(signed, time.Now())         // "Ada Lovelace <ada@example.com>", "OpenPGP 0123…"
//
// It fails closed: whatever is not certainly signed by a key of the ring is an error of kind fault.Denied that says what was found, and what to do. It never
// reads a key from anywhere but the ring, has no clock, and asks nobody.
//
// Formats: OpenPGP is RFC 9580 and RFC 4880, armoured; SSH signatures are those of `ssh-keygen -Y sign` (PROTOCOL.sshsig of OpenSSH), in the namespace "git";
// keys of SSH stand in lines as in authorized_keys, or as in the allowed_signers file of ssh-keygen(1). Where Git keeps a signature in its objects is said in
// gitformat-signature(5).
package signature
