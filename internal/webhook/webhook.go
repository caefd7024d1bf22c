package webhook

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Push is what a webhook says has moved.
type Push struct {
	Provider string   // github, gitlab, gitea, bitbucket, registry or generic
	Refs     []string // full names, such as refs/heads/main; empty if the sender did not say
	URLs     []string // under which the repository may be known, without credentials; empty if the sender did not say
	Names    []string // of repositories in a registry, which does not know under which host it is reached
	Ping     bool     // only a test of the connection: nothing moved
}

// Parse verifies the body with the secret that sender and receiver share, and reads it. The caller bounds the body.
//
// What is not signed, or wrongly, is an error of kind fault.Denied and its body is not looked at. What is signed and
// not understood is fault.Invalid. An event other than a push is a Ping.
func Parse(header http.Header, body, secret []byte) (Push, error) {
	if len(secret) == 0 {
		return Push{}, fault.Newf(fault.Denied, "verify webhook: no secret is configured: put one into the key webhookToken of the Secret in spec.secretRef")
	}
	p, ok := sender(header)
	if !ok {
		return Push{}, fault.Newf(fault.Denied, "verify webhook: it has no signature that is known")
	}
	if !p.verify(header.Get(p.header), body, secret) {
		return Push{}, fault.Newf(fault.Denied, "verify webhook of %s: the signature in %s does not match", p.name, p.header)
	}
	push, err := p.parse(header, body)
	if err != nil {
		return Push{}, fault.New(fault.Invalid, fmt.Errorf("parse webhook of %s: %w", p.name, err))
	}
	push.Provider = cmp.Or(push.Provider, p.name)
	return push, nil
}
