package registrytest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Target is one repository of a registry that is reached without TLS.
type Target struct {
	Address  string // host/name
	Password string // of the user "fairlead"
}

func (t Target) open() (*remote.Repository, error) {
	r, err := remote.NewRepository(t.Address)
	if err != nil {
		return nil, err
	}
	r.PlainHTTP = true
	if t.Password != "" {
		r.Client = &auth.Client{Credential: auth.StaticCredential(r.Reference.Host(), auth.Credential{Username: "fairlead", Password: t.Password})}
	}
	return r, nil
}

// Layer is a part of a manifest.
type Layer struct {
	MediaType   string
	Data        []byte
	Annotations map[string]string
}

// Manifest is what is pushed.
type Manifest struct {
	ConfigType, ArtifactType string
	Config                   []byte // {} if empty
	Layers                   []Layer
	Annotations              map[string]string
	Subject                  *ocispec.Descriptor
}

// Push pushes a manifest under a tag, or without one if that is empty, and returns its digest.
func (t Target) Push(ctx context.Context, tag string, m Manifest) (string, error) {
	d, err := t.push(ctx, tag, m)
	return d.Digest.String(), err
}

func (t Target) push(ctx context.Context, tag string, m Manifest) (ocispec.Descriptor, error) {
	r, err := t.open()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	config := m.Config
	if config == nil {
		config = []byte("{}")
	}
	blob := func(mediaType string, data []byte, notes map[string]string) (ocispec.Descriptor, error) {
		d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data)), Annotations: notes}
		return d, r.Blobs().Push(ctx, d, bytes.NewReader(data))
	}
	out := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: m.ArtifactType, Annotations: m.Annotations, Subject: m.Subject, Layers: []ocispec.Descriptor{},
	}
	if out.Config, err = blob(m.ConfigType, config, nil); err != nil {
		return ocispec.Descriptor{}, err
	}
	for _, l := range m.Layers {
		d, err := blob(l.MediaType, l.Data, l.Annotations)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		out.Layers = append(out.Layers, d)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: out.MediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw)), ArtifactType: m.ArtifactType}
	if tag == "" {
		return d, r.Manifests().Push(ctx, d, bytes.NewReader(raw))
	}
	return d, r.Manifests().PushReference(ctx, d, bytes.NewReader(raw), tag)
}

// Resolve returns the digest that a tag names.
func (t Target) Resolve(ctx context.Context, tag string) (string, error) {
	r, err := t.open()
	if err != nil {
		return "", err
	}
	d, err := r.Resolve(ctx, tag)
	return d.Digest.String(), err
}

// Chart is a Helm chart.
type Chart struct {
	Name, Version string
	Files         map[string]string // besides Chart.yaml
}

func (c Chart) file() string { return c.Name + "-" + c.Version + ".tgz" }

// Archive is the chart as helm package writes it.
func (c Chart) Archive() []byte {
	files := map[string]string{c.Name + "/Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", c.Name, c.Version)}
	for name, text := range c.Files {
		files[path.Join(c.Name, name)] = text
	}
	return Tar(files)
}

// Tar is a gzipped tar of files.
func Tar(files map[string]string) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		must(w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(files[name]))}))
		_, err := w.Write([]byte(files[name]))
		must(err)
	}
	must(w.Close())
	must(z.Close())
	return out.Bytes()
}

// must is for what cannot fail in memory.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// PushChart pushes a chart below an address, as helm push does. A provenance file is optional.
func (t Target) PushChart(ctx context.Context, c Chart, provenance []byte) (string, error) {
	t.Address += "/" + c.Name
	m := Manifest{
		ConfigType: "application/vnd.cncf.helm.config.v1+json", Config: []byte(fmt.Sprintf(`{"name":%q,"version":%q,"apiVersion":"v2"}`, c.Name, c.Version)),
		Layers: []Layer{{MediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", Data: c.Archive()}},
	}
	if provenance != nil {
		m.Layers = append(m.Layers, Layer{MediaType: "application/vnd.cncf.helm.chart.provenance.v1.prov", Data: provenance})
	}
	return t.Push(ctx, strings.ReplaceAll(c.Version, "+", "_"), m)
}

// PushFlux pushes files as flux push artifact does.
func (t Target) PushFlux(ctx context.Context, tag string, files map[string]string, revision string) (string, error) {
	return t.Push(ctx, tag, Manifest{
		ConfigType: "application/vnd.cncf.flux.config.v1+json",
		Layers:     []Layer{{MediaType: "application/vnd.cncf.flux.content.v1.tar+gzip", Data: Tar(files)}},
		Annotations: map[string]string{
			ocispec.AnnotationCreated: "2026-01-02T03:04:05Z", ocispec.AnnotationRevision: revision, ocispec.AnnotationSource: "https://git.example.com/shop/config.git",
		},
	})
}

// PushOras pushes a directory and single files as `oras push … dir/ file` does.
func (t Target) PushOras(ctx context.Context, tag, dir string, files, single map[string]string) (string, error) {
	within := map[string]string{}
	for name, text := range files {
		within[path.Join(dir, name)] = text
	}
	m := Manifest{ConfigType: "application/vnd.oci.empty.v1+json", ArtifactType: "application/vnd.unknown.artifact.v1"}
	if len(within) > 0 {
		m.Layers = append(m.Layers, Layer{MediaType: ocispec.MediaTypeImageLayerGzip, Data: Tar(within), Annotations: map[string]string{
			ocispec.AnnotationTitle: dir, "io.deis.oras.content.unpack": "true", "io.deis.oras.content.digest": "sha256:" + strings.Repeat("0", 64),
		}})
	}
	for _, name := range slices.Sorted(maps.Keys(single)) {
		m.Layers = append(m.Layers, Layer{MediaType: ocispec.MediaTypeImageLayer, Data: []byte(single[name]), Annotations: map[string]string{ocispec.AnnotationTitle: name}})
	}
	return t.Push(ctx, tag, m)
}

// Key is a key as cosign generate-key-pair makes it.
type Key struct {
	Private *ecdsa.PrivateKey
	Public  []byte // cosign.pub
}

// NewKey makes a key.
func NewKey() Key {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	must(err)
	return Key{k, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}
}

func (k Key) sign(message []byte) string {
	sum := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, k.Private, sum[:])
	must(err)
	return base64.StdEncoding.EncodeToString(sig)
}

// Simple is a signature of a digest as cosign puts it into a layer.
func (k Key) Simple(address, digest string) Layer {
	payload := []byte(fmt.Sprintf(`{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, address, digest))
	return Layer{
		MediaType: "application/vnd.dev.cosign.simplesigning.v1+json", Data: payload,
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": k.sign(payload)},
	}
}

// Bundle is a signature of a digest as newer versions of cosign put it into a layer.
func (k Key) Bundle(digest, predicate string) Layer {
	const kind = "application/vnd.in-toto+json"
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":%q}}],"predicateType":%q,"predicate":{}}`, strings.TrimPrefix(digest, "sha256:"), predicate)
	message := fmt.Sprintf("DSSEv1 %d %s %d %s", len(kind), kind, len(statement), statement)
	bundle, err := json.Marshal(map[string]any{
		"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
		"dsseEnvelope": map[string]any{
			"payload": []byte(statement), "payloadType": kind, "signatures": []map[string]string{{"sig": k.sign([]byte(message))}},
		},
	})
	must(err)
	return Layer{MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json", Data: bundle}
}

// Sign puts a signature beside a manifest, under the tag that cosign sign --key gives it.
func (t Target) Sign(ctx context.Context, k Key, digest string) error {
	_, err := t.Push(ctx, strings.Replace(digest, ":", "-", 1)+".sig", Manifest{ConfigType: ocispec.MediaTypeImageConfig, Layers: []Layer{k.Simple(t.Address, digest)}})
	return err
}

// Refer puts a layer into a manifest whose subject is another one, as cosign does where a registry knows the referrers API.
func (t Target) Refer(ctx context.Context, kind, to string, l Layer) error {
	r, err := t.open()
	if err != nil {
		return err
	}
	subject, err := r.Resolve(ctx, to)
	if err != nil {
		return err
	}
	_, err = t.Push(ctx, "", Manifest{ConfigType: "application/vnd.oci.empty.v1+json", ArtifactType: kind, Subject: &subject, Layers: []Layer{l}})
	return err
}
