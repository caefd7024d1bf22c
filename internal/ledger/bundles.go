package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// A head names the bundles of its app: the one that was applied last first, then those that are kept beside it. Each is in the head if it is small, and else in
// parts of its own. What is stored already is never written again.

const (
	annBundles = "fairlead.dev/bundles"
	keyBundle  = "bundle"
	// What a Fairlead before that wrote: one bundle, in the head under that key, or in as many parts as the annotations say.
	annParts  = "fairlead.dev/parts"
	annBundle = "fairlead.dev/bundle"
	// The API server accepts Secrets of up to 1 MiB. A head holds small bundles only if its claims leave room for them, now and once all objects are applied.
	partSize   = 500 << 10
	headSize   = 112 << 10
	claimsSize = 1000 << 10
	fewClaims  = 4000
	// maxParts bounds a bundle to about 31 MiB compressed, maxBundles how many there are of an app: what is applied, and all that a release may go back to.
	maxParts   = 64
	maxBundles = 7
)

// bundle is where one is stored.
type bundle struct {
	Digest string `json:"digest"`          // of the objects, as the record has it
	Key    string `json:"key,omitempty"`   // in the head
	Bytes  string `json:"bytes,omitempty"` // digest of what is stored in parts: their names
	Parts  int    `json:"parts,omitempty"`
}

// version is the stored state of a record: of its head, and which bundles it names.
type version struct {
	resourceVersion string
	bundles         []bundle
}

func (v version) String() string {
	text, err := json.Marshal(v.bundles)
	if err != nil {
		panic(err) // Invariant: there is nothing in a bundle that cannot be encoded.
	}
	return v.resourceVersion + " " + string(text)
}

func parseVersion(s string) version {
	v := version{}
	rv, text, _ := strings.Cut(s, " ")
	if json.Unmarshal([]byte(text), &v.bundles) != nil {
		v.bundles = nil
	}
	v.resourceVersion = rv
	return v
}

// find returns the stored bundle of a digest, the one that was applied last if that is empty.
func (v version) find(digest string) (bundle, bool) {
	for _, b := range v.bundles {
		if digest == "" || b.Digest == digest {
			return b, true
		}
	}
	return bundle{}, false
}

// bundlesOf reads which bundles a head names. Applied is the digest that its record has.
func bundlesOf(head *corev1.Secret, applied string) ([]bundle, error) {
	if text, ok := head.Annotations[annBundles]; ok {
		var all []bundle
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			return nil, fault.Newf(fault.Invalid, "read ledger Secret %s: annotation %s: %v", head.Name, annBundles, err)
		}
		for _, b := range all {
			if b.Parts < 0 || b.Parts > maxParts || (b.Key == "") == (b.Parts == 0) {
				return nil, fault.Newf(fault.Invalid, "read ledger Secret %s: annotation %s does not say where bundle %s is", head.Name, annBundles, b.Digest)
			}
		}
		return all, nil
	}
	parts, err := strconv.Atoi(head.Annotations[annParts])
	if err != nil || parts < 1 || parts > maxParts {
		return nil, fault.Newf(fault.Invalid, "read ledger Secret %s: annotation %s is not a number of parts", head.Name, annParts)
	}
	if bytes := head.Annotations[annBundle]; bytes != "" {
		return []bundle{{Digest: applied, Bytes: bytes, Parts: parts}}, nil
	}
	return []bundle{{Digest: applied, Key: keyBundle}}, nil
}

// putAlso stores the bundle that a record brings beside its own, unless it is stored, and returns the version that has it.
func (l *Ledger) putAlso(ctx context.Context, r app.Record, was version, data map[string][]byte) (version, error) {
	if r.Also.Digest == "" {
		return was, nil
	}
	r.Digest, r.Bundle = r.Also.Digest, r.Also.Objects
	b, err := l.putBundle(ctx, r, was, data)
	if err == nil && !slices.Contains(was.bundles, b) {
		was.bundles = append([]bundle{b}, was.bundles...)
	}
	return was, err
}

// putBundle stores the bundle of a record, unless it is stored: in a part of the head that is still to be written, or in parts.
func (l *Ledger) putBundle(ctx context.Context, r app.Record, was version, data map[string][]byte) (bundle, error) {
	if b, ok := was.find(r.Digest); ok && r.Digest != "" {
		return b, nil
	}
	switch {
	case r.Bundle == nil && r.Digest == "": // nothing was ever applied, or nobody knows what
		return bundle{}, nil
	case r.Bundle == nil:
		return bundle{}, fault.Newf(fault.Invalid, "save ledger of %s: bundle %s is not stored", r.App, r.Digest)
	}
	packed, err := encodeBundle(r)
	if err != nil {
		return bundle{}, fmt.Errorf("encode bundle of %s: %w", r.App, err)
	}
	pieces := slices.Collect(slices.Chunk(packed, partSize))
	if len(pieces) > maxParts {
		return bundle{}, fault.Newf(fault.Invalid, "save ledger of %s: %d MiB compressed is too much for one app: split it", r.App, len(packed)>>20)
	}
	if len(packed) <= headSize && len(r.Claims) <= fewClaims {
		b := bundle{Digest: r.Digest, Key: keyBundle + "-" + r.Digest}
		data[b.Key] = packed
		return b, nil
	}
	b := bundle{Digest: r.Digest, Bytes: digest(packed), Parts: len(pieces)}
	for i, piece := range pieces {
		if err := l.put(ctx, l.secret(partName(r.App, b.Bytes, i), kindPart, map[string][]byte{keyBundle: piece})); err != nil {
			return bundle{}, fmt.Errorf("save part %d of ledger of %s: %w", i, r.App, err)
		}
	}
	return b, nil
}

// next is which bundles a head names once a record is saved over it, and which it names no more.
func (v version) next(applied bundle, keep []string) (stay, leave []bundle) {
	if applied != (bundle{}) {
		stay = append(stay, applied)
	}
	for _, b := range v.bundles {
		switch {
		case b == applied:
		case slices.Contains(keep, b.Digest) && len(stay) < maxBundles:
			stay = append(stay, b)
		default:
			leave = append(leave, b)
		}
	}
	return stay, leave
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// Bundle reads what was applied last of an app, or what is kept under a digest; nil if there is no record. A bundle that is damaged, or not kept, is an error;
// the claims of its record are not affected.
func (l *Ledger) Bundle(ctx context.Context, n app.Name, digest string) ([]object.Object, error) {
	head, err := l.head(ctx, n)
	if err != nil || head == nil {
		return nil, err
	}
	r, err := Read(head)
	if err != nil {
		return nil, err
	}
	b, ok := parseVersion(r.Version).find(digest)
	if !ok && digest == "" {
		return nil, nil
	}
	if !ok {
		return nil, fault.Newf(fault.Invalid, "read bundle %s of ledger Secret %s: it is not kept", digest, head.Name)
	}
	data := head.Data[b.Key]
	if b.Key == "" {
		if data, err = l.parts(ctx, n, b); err != nil {
			return nil, err
		}
	}
	objs, err := decodeBundle(data)
	if err != nil {
		return nil, fmt.Errorf("read bundle of ledger Secret %s: %w", head.Name, err)
	}
	return objs, nil
}
