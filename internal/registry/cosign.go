package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// What cosign calls what it puts into registries.
const (
	signatureLayer      = "application/vnd.dev.cosign.simplesigning.v1+json"
	signatureAnnotation = "dev.cosignproject.cosign/signature"
	signatureArtifact   = "application/vnd.dev.cosign.artifact.sig.v1+json"
	bundleArtifact      = "application/vnd.dev.sigstore.bundle.v0.3+json"
	signaturePredicate  = "https://sigstore.dev/cosign/sign/v1"
)

const (
	maxSignatures = 50       // that are looked at of one artifact
	maxPayload    = 64 << 10 // bytes of what was signed
)

// signed returns who signed a manifest with cosign. An error of kind fault.Denied says that nobody did who counts.
func (t Trust) signed(ctx context.Context, r *repository, m manifest) (string, error) {
	if len(t.keys) == 0 {
		return "", fault.Newf(fault.Denied, "%s is refused: it has to be signed, and there is no key of cosign for that: put cosign.pub into the Secret of verify", short(m.Digest))
	}
	found := 0
	try := func(of manifest) (string, error) {
		for i, l := range of.Layers {
			if i == maxSignatures || l.MediaType != signatureLayer && l.MediaType != bundleArtifact {
				continue
			}
			found++
			if by, err := t.of(ctx, r, l, m.Digest); by != "" || err != nil {
				return by, err
			}
		}
		return "", nil
	}
	beside, err := r.manifest(ctx, strings.Replace(m.Digest, ":", "-", 1)+".sig")
	if err == nil {
		var by string
		if by, err = try(beside); by != "" {
			return by, nil
		}
	}
	if err != nil && !isAbsent(err) {
		return "", fmt.Errorf("look for the signature of %s: %w", short(m.Digest), err)
	}
	about, err := r.referrers(ctx, m, signatureArtifact, signatureLayer, bundleArtifact)
	if err != nil && !isAbsent(err) {
		return "", fmt.Errorf("look for the signature of %s: %w", short(m.Digest), err)
	}
	for _, d := range about {
		of, err := r.manifest(ctx, d.Digest.String())
		if err != nil {
			return "", fmt.Errorf("read the signature of %s: %w", short(m.Digest), err)
		}
		if by, err := try(of); by != "" || err != nil {
			return by, err
		}
	}
	if found == 0 {
		return "", fault.Newf(fault.Denied, "%s is refused: it is not signed: sign it with cosign sign --key and %s of the Secret of verify", short(m.Digest), t.among("the key", "one of the %d keys"))
	}
	return "", fault.Newf(fault.Denied, "%s is refused: it is signed, but not with %s of the Secret of verify", short(m.Digest), t.among("the key", "one of the %d keys"))
}

// of returns who made one signature; nobody, if it is not of a key that counts.
func (t Trust) of(ctx context.Context, r *repository, l ocispec.Descriptor, digest string) (string, error) {
	data, err := r.blob(ctx, l, maxPayload, "signature")
	if err != nil {
		if isAbsent(err) || fault.KindOf(err) == fault.Invalid {
			return "", nil // who cannot be read vouches for nothing
		}
		return "", err
	}
	if l.MediaType == bundleArtifact {
		return t.bundled(data, digest), nil
	}
	return t.simple(data, l.Annotations[signatureAnnotation], digest), nil
}

// simple is who made a signature in the format of simple signing: over a text that names the digest.
func (t Trust) simple(payload []byte, annotation, digest string) string {
	sig, err := base64.StdEncoding.DecodeString(annotation)
	if err != nil || len(sig) == 0 {
		return ""
	}
	by, ok := t.signer(payload, sig)
	if !ok {
		return ""
	}
	var p struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
			Type string `json:"type"`
		} `json:"critical"`
	}
	if json.Unmarshal(payload, &p) != nil || p.Critical.Image.Digest != digest || p.Critical.Type != "cosign container image signature" {
		return ""
	}
	return by.String()
}

// bundled is who made a signature in Sigstore's bundle: over a statement that names the digest, in an envelope.
func (t Trust) bundled(bundle []byte, digest string) string {
	var b struct {
		Envelope struct {
			Payload     []byte `json:"payload"`
			PayloadType string `json:"payloadType"`
			Signatures  []struct {
				Sig []byte `json:"sig"`
			} `json:"signatures"`
		} `json:"dsseEnvelope"`
	}
	if json.Unmarshal(bundle, &b) != nil || b.Envelope.PayloadType != "application/vnd.in-toto+json" {
		return ""
	}
	e := b.Envelope
	message := []byte("DSSEv1 " + strconv.Itoa(len(e.PayloadType)) + " " + e.PayloadType + " " + strconv.Itoa(len(e.Payload)) + " ")
	message = append(message, e.Payload...)
	for i, s := range e.Signatures {
		by, ok := t.signer(message, s.Sig)
		if i < maxSignatures && ok && states(e.Payload, digest) {
			return by.String()
		}
	}
	return ""
}

// states reports whether a statement is that an artifact is signed, and not something else that is said of it, such as what it is made of.
func states(statement []byte, digest string) bool {
	var s struct {
		PredicateType string `json:"predicateType"`
		Subject       []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if json.Unmarshal(statement, &s) != nil || s.PredicateType != signaturePredicate {
		return false
	}
	for _, about := range s.Subject {
		if "sha256:"+about.Digest["sha256"] == digest {
			return true
		}
	}
	return false
}

// short is a digest as people quote it.
func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }
