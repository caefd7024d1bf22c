package registry

import (
	"bytes"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/signature"
)

// maxProvenance bounds a provenance file, in bytes.
const maxProvenance = 1 << 20

// vouched returns who vouches for an archive in a provenance file, as `helm package --sign` writes it. Errors are of kind fault.Denied.
func (t Trust) vouched(provenance []byte, digest string, at time.Time) (string, error) {
	if t.ring.Len() == 0 {
		return "", fault.Newf(fault.Denied, "the chart is refused: it has a provenance file, and there is no OpenPGP key for that: put the public key into the Secret of verify")
	}
	block, _ := clearsign.Decode(provenance)
	begin := bytes.Index(provenance, []byte("\n-----BEGIN PGP SIGNATURE-----"))
	if block == nil || begin < 0 {
		return "", fault.Newf(fault.Denied, "the chart is refused: its provenance file is not signed in the clear with OpenPGP")
	}
	by, err := t.ring.Verify(signature.Signed{Payload: block.Bytes, Signature: provenance[begin+1:]}, at)
	if err != nil {
		return "", fault.Newf(fault.Denied, "the chart is refused: its provenance file: %w", err)
	}
	_, sums, ok := bytes.Cut(bytes.ReplaceAll(block.Plaintext, []byte("\r\n"), []byte("\n")), []byte("\n...\n"))
	var said struct {
		Files map[string]string `yaml:"files"`
	}
	if !ok || yaml.Unmarshal(sums, &said) != nil {
		return "", fault.Newf(fault.Denied, "the chart is refused: its provenance file names no files")
	}
	for _, sum := range said.Files {
		if sum == digest {
			return by.String(), nil
		}
	}
	return "", fault.Newf(fault.Denied, "the chart is refused: its provenance file, signed by %s, is that of another archive", by)
}
