package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Bounds of what a registry may say.
const (
	maxManifest = 4 << 20
	maxPages    = 200
	maxTags     = 200_000
	maxLayers   = 200
)

const ociScheme = "oci://"

// IsOCI reports whether an address is that of a registry.
func IsOCI(url string) bool { return strings.HasPrefix(url, ociScheme) }

// CheckURL reports, as an error of kind fault.Invalid, that an address is none of a repository of an OCI registry: oci://host/name, without tag or credentials.
func CheckURL(url string) error {
	_, err := parse(url)
	return err
}

// parse returns host/name of an address.
func parse(url string) (string, error) {
	rest, ok := strings.CutPrefix(url, ociScheme)
	if !ok {
		return "", fault.Newf(fault.Invalid, "%q does not begin with %s", url, ociScheme)
	}
	host, name, _ := strings.Cut(rest, "/")
	if strings.Contains(rest, "@") && strings.Index(rest, "@") < len(host)+1 {
		return "", fault.Newf(fault.Invalid, "the address of %s holds credentials: put them into a Secret", host[strings.LastIndexByte(host, '@')+1:])
	}
	repo, err := remote.NewRepository(rest)
	switch {
	case err != nil:
		return "", fault.Newf(fault.Invalid, "%q is no address of the form oci://host/name in lower case", url)
	case repo.Reference.Reference != "":
		return "", fault.Newf(fault.Invalid, "%q has a tag or a digest in it: name it beside the address", url)
	}
	return host + "/" + name, nil
}

// repository is one repository of an OCI registry, as one access sees it.
type repository struct {
	*remote.Repository
	access Access
	client *http.Client
	host   string
}

// openRepository makes the client of host/name. It asks nothing.
func openRepository(address string, a Access, o Options) (*repository, error) {
	r, err := remote.NewRepository(address)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "%q is no address of a registry's repository", address)
	}
	client, err := newClient(a, o)
	if err != nil {
		return nil, err
	}
	host := r.Reference.Host()
	cred := auth.Credential{Username: a.Username, Password: a.Password}
	if a.Token != "" {
		cred = auth.Credential{RefreshToken: a.Token}
	}
	if a.Bearer != "" {
		cred = auth.Credential{AccessToken: a.Bearer}
	}
	r.Client = &auth.Client{
		Client: &http.Client{Transport: counted{client.Transport, o.OnRequest}},
		Header: http.Header{"User-Agent": {"fairlead"}}, Cache: auth.NewCache(), ClientID: "fairlead",
		Credential: func(_ context.Context, at string) (auth.Credential, error) {
			if at != host || a.anonymous() {
				return auth.EmptyCredential, nil
			}
			return cred, nil
		},
	}
	r.PlainHTTP = a.Insecure
	r.MaxMetadataBytes, r.TagListMaxPages, r.ReferrerListMaxPages = maxManifest, maxPages, maxPages
	return &repository{Repository: r, access: a, client: client, host: host}, nil
}

type counted struct {
	next http.RoundTripper
	on   func(string)
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.on("oci")
	return c.next.RoundTrip(r)
}

// close ends what connections there are.
func (r *repository) close() { r.client.CloseIdleConnections() }

func (r *repository) classify(err error) error { return classify(r.host, err, r.access) }

// tags lists all tags.
func (r *repository) tags(ctx context.Context) ([]string, error) {
	var all []string
	err := r.Tags(ctx, "", func(page []string) error {
		if all = append(all, page...); len(all) > maxTags {
			return fault.Newf(fault.Invalid, "it has more than %d tags", maxTags)
		}
		return nil
	})
	if err != nil {
		return nil, r.classify(err)
	}
	return all, nil
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// manifest is a manifest as it was read, and its digest.
type manifest struct {
	ocispec.Manifest
	Digest string
	Raw    []byte
}

// resolve asks which digest a tag names.
func (r *repository) resolve(ctx context.Context, tag string) (string, error) {
	d, err := r.Resolve(ctx, tag)
	if err != nil {
		return "", r.classify(err)
	}
	if !digestForm.MatchString(d.Digest.String()) {
		return "", fault.Newf(fault.Invalid, "%s of %s is identified by %q, which is no SHA-256", tag, r.Reference.Repository, clip(d.Digest.String()))
	}
	return d.Digest.String(), nil
}

// manifest reads a manifest by tag or digest. One that lists others, for platforms, is refused.
func (r *repository) manifest(ctx context.Context, reference string) (manifest, error) {
	d, body, err := r.FetchReference(ctx, reference)
	if err != nil {
		return manifest{}, r.classify(err)
	}
	defer func() { _ = body.Close() }()
	raw, err := readAll(body, maxManifest, "manifest")
	if err != nil {
		return manifest{}, err
	}
	m := manifest{Raw: raw, Digest: sha256Of(raw)}
	if m.Digest != d.Digest.String() || strings.HasPrefix(reference, "sha256:") && m.Digest != reference {
		return manifest{}, fault.Newf(fault.Transient, "the manifest %s of %s is not what its digest says: it was damaged on the way, or forged", clip(reference), r.Reference.Repository)
	}
	m.Manifest, err = parseManifest(raw, d.MediaType)
	return m, err
}

// parseManifest reads a manifest of an artifact.
func parseManifest(raw []byte, mediaType string) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fault.Newf(fault.Invalid, "the manifest is no JSON: %w", err)
	}
	switch {
	case mediaType == ocispec.MediaTypeImageIndex || m.MediaType == ocispec.MediaTypeImageIndex || strings.Contains(mediaType, "manifest.list"):
		return m, fault.Newf(fault.Invalid, "it is a list of images for several platforms, and no artifact")
	case len(m.Layers) > maxLayers:
		return m, fault.Newf(fault.Invalid, "it has more than %d layers", maxLayers)
	}
	for _, l := range m.Layers {
		if !digestForm.MatchString(l.Digest.String()) || l.Size < 0 {
			return m, fault.Newf(fault.Invalid, "a layer is identified by %q, which is no SHA-256", clip(l.Digest.String()))
		}
	}
	return m, nil
}

// blob reads a layer and verifies it.
func (r *repository) blob(ctx context.Context, d ocispec.Descriptor, most int64, what string) ([]byte, error) {
	if d.Size > most {
		return nil, fault.Newf(fault.Invalid, "the %s is larger than %d MiB", what, most>>20)
	}
	body, err := r.Blobs().Fetch(ctx, d)
	if err != nil {
		return nil, r.classify(err)
	}
	defer func() { _ = body.Close() }()
	data, err := readAll(body, most, what)
	if err != nil {
		return nil, err
	}
	if sha256Of(data) != d.Digest.String() {
		return nil, fault.Newf(fault.Transient, "the %s is not what its digest %s says: it was damaged on the way, or forged", what, d.Digest)
	}
	return data, nil
}

// emptyConfig is the type of a manifest whose config says nothing: some registries take it for the type of what it is.
const emptyConfig = "application/vnd.oci.empty.v1+json"

// referrers are the manifests of some kinds that name another one as their subject, and those that may be.
func (r *repository) referrers(ctx context.Context, m manifest, kinds ...string) ([]ocispec.Descriptor, error) {
	var known, all []ocispec.Descriptor
	of := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(m.Digest), Size: int64(len(m.Raw))}
	err := r.Referrers(ctx, of, "", func(page []ocispec.Descriptor) error {
		for _, d := range page {
			if slices.Contains(kinds, d.ArtifactType) {
				known = append(known, d)
			} else if d.ArtifactType == "" || d.ArtifactType == emptyConfig {
				all = append(all, d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, r.classify(err)
	}
	all = append(known, all...)
	return all[:min(len(all), maxSignatures)], nil
}

func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func clip(text string) string {
	if len(text) > 100 {
		return strings.ToValidUTF8(text[:100], "") + "…"
	}
	return text
}
