package signature

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func fingerprint(e *openpgp.Entity) string {
	return fmt.Sprintf("OpenPGP %X", e.PrimaryKey.Fingerprint)
}

// verifyPGP returns the key that made a signature, once that is certain.
func (r Ring) verifyPGP(s Signed, at time.Time) (Signer, error) {
	block, err := armor.Decode(strings.NewReader(string(s.Signature)))
	if err != nil {
		return Signer{}, refuse("the OpenPGP signature cannot be read: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(block.Body, maxSignature))
	if err != nil {
		return Signer{}, refuse("the OpenPGP signature cannot be read: %w", err)
	}
	sig, e, err := openpgp.VerifyDetachedSignature(r.pgp, s.reader(), strings.NewReader(string(body)), &packet.Config{Time: func() time.Time { return at }})
	if e == nil {
		return Signer{}, r.nobody(body, err)
	}
	by := Signer{Key: fingerprint(e)}
	if id := e.PrimaryIdentity(); id != nil {
		by.Name = id.Name
	}
	switch {
	case errors.Is(err, pgperrors.ErrKeyRevoked) || r.revoked[by.Key]:
		return Signer{}, refuse("it is signed by %s: that key is revoked", by)
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return Signer{}, refuse("it is signed by %s: that key has expired", by)
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return Signer{}, refuse("it is signed by %s: that signature has expired", by)
	case err != nil:
		return Signer{}, refuse("it is signed by %s: %w", by, err)
	case e.PrimaryKey.CreationTime.After(at), sig.CreationTime.After(at.Add(skew)):
		return Signer{}, refuse("it is signed by %s at a time that has not come yet: a clock is wrong", by)
	}
	return by, nil
}

// skew is how far the clocks of two machines may be apart.
const skew = 5 * time.Minute

// nobody says why a signature is of no key of the ring.
func (r Ring) nobody(body []byte, err error) error {
	id := issuer(body)
	switch keys := r.pgp.KeysById(id); {
	case id == 0:
		return refuse("the OpenPGP signature cannot be read: %w", err)
	case len(keys) == 0:
		return refuse("it is signed with the OpenPGP key %016X, which is %s in spec.verify", id, r.keys("none of"))
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return refuse("it is signed with the OpenPGP key %016X, which may not sign (any more): it is revoked, or made for something else", id)
	default:
		return refuse("the signature that is said to be of %s is not good: %w", fingerprint(keys[0].Entity), err)
	}
}

// issuer is the id of the key that a signature is said to be made with; 0 if it cannot be told.
func issuer(body []byte) uint64 {
	p, err := packet.NewReader(strings.NewReader(string(body))).Next()
	if sig, ok := p.(*packet.Signature); err == nil && ok && sig.IssuerKeyId != nil {
		return *sig.IssuerKeyId
	}
	return 0
}
