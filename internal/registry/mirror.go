package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// Mirror keeps the artifacts of one repository of a registry. An artifact is a commit whose id is the digest of its manifest. It is safe for concurrent use.
type Mirror struct {
	url     string
	address string
	o       Options
	store   store

	mu     sync.Mutex
	client *repository // as one access sees it
	by     string      // whose that is
	recent []source.Snapshot
}

// Found is a ref and the artifact that it names, or why it names none.
type Found struct {
	source.Resolved
	Err error // of kind fault.Invalid; nil if Commit is set
}

// kindManifest is what of an artifact is kept besides its layers.
const kindManifest = "manifests"

// maxRecent is how many artifacts are kept unpacked in memory, besides those that somebody uses.
const maxRecent = 3

// OpenMirror opens the mirror of an address, in a directory of its own, which is made if it does not exist. It asks nothing.
func OpenMirror(dir, url string, o Options) (*Mirror, error) {
	address, err := parse(url)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open mirror: %w", err)
	}
	o = o.withDefaults()
	return &Mirror{url: url, address: address, o: o, store: store{dir, o.MaxCache, o.Now}}, nil
}

// Close ends what connections there are.
func (m *Mirror) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client != nil {
		m.client.close()
		m.client = nil
	}
	return nil
}

// as is the repository as an access sees it. What a registry gave it for its credentials is used again.
func (m *Mirror) as(a Access) (*repository, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client != nil && m.by == a.id() {
		return m.client, nil
	}
	r, err := openRepository(m.address, a, m.o)
	if err != nil {
		return nil, err
	}
	if m.client != nil {
		m.client.close()
	}
	m.client, m.by = r, a.id()
	return r, nil
}

// Resolve asks what refs name now: one question for each tag, and one for all ranges of versions. The answers are in the order of refs. A tag that does not
// exist is an Err in its answer; that the registry cannot be asked is the error.
func (m *Mirror) Resolve(ctx context.Context, a Access, refs []source.Ref) ([]Found, error) {
	r, err := m.as(a)
	if err != nil {
		return nil, err
	}
	q := question{ctx: ctx, r: r, digests: map[string]string{}}
	out := make([]Found, len(refs))
	for i, ref := range refs {
		out[i].Resolved, err = q.resolve(ref)
		switch {
		case err == nil:
		case fault.KindOf(err) == fault.Invalid:
			out[i] = Found{Resolved: source.Resolved{Ref: ref}, Err: err}
		default:
			return nil, fmt.Errorf("resolve refs of %s: %w", m.url, err)
		}
	}
	return out, nil
}

// question is one Resolve at work.
type question struct {
	ctx     context.Context
	r       *repository
	tags    []string // nil: not asked yet
	digests map[string]string
}

var tagForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

func (q *question) resolve(ref source.Ref) (source.Resolved, error) {
	out := source.Resolved{Ref: ref}
	switch {
	case ref.Branch != "":
		return out, fault.Newf(fault.Invalid, "it names a branch, and a registry has none: follow a tag, a semver range or a digest")
	case ref.Tag != "" && !tagForm.MatchString(ref.Tag):
		return out, fault.Newf(fault.Invalid, "%q cannot be a tag of a registry", clip(ref.Tag))
	case ref.Tag != "":
		return q.tag(out, ref.Tag)
	case ref.SemVer != "":
		if q.tags == nil {
			tags, err := q.r.tags(q.ctx)
			if err != nil {
				return out, err
			}
			q.tags = append(tags, "") // asked, whatever there is
		}
		tags := make([]string, 0, len(q.tags))
		for _, t := range q.tags {
			if t != "" {
				tags = append(tags, versionOf(t))
			}
		}
		version, err := choose(ref.SemVer, tags)
		if err != nil {
			return out, err
		}
		return q.tag(out, tagOf(version))
	case len(ref.Commit) == 64 && digestForm.MatchString("sha256:"+string(ref.Commit)):
		out.Commit = ref.Commit
		return out, nil
	}
	return out, fault.Newf(fault.Invalid, "%q is no digest of an artifact: name a tag, a semver range, or a digest", clip(string(ref.Commit)))
}

func (q *question) tag(out source.Resolved, tag string) (source.Resolved, error) {
	digest, known := q.digests[tag]
	if !known {
		var err error
		if digest, err = q.r.resolve(q.ctx, tag); err != nil {
			if isAbsent(err) {
				err = fault.Newf(fault.Invalid, "tag %q does not exist: it was deleted or never pushed, or the address is wrong", tag)
			}
			return out, err
		}
		q.digests[tag] = digest
	}
	out.Name, out.Commit = "refs/tags/"+tag, source.Commit(hexOf(digest))
	return out, nil
}

// Fetch makes sure that artifacts are at hand. What is costs nothing. The answers are in the order of want; an artifact that does not exist, or cannot be
// one, is an Err in its answer; that the registry cannot be asked is the error, and what was fetched before it stays.
func (m *Mirror) Fetch(ctx context.Context, a Access, want []source.Resolved) ([]Found, error) {
	out := make([]Found, len(want))
	fresh := false
	for i, w := range want {
		out[i].Resolved = w
		if _, err := m.read(w.Commit); err == nil {
			m.store.touch(kindManifest, string(w.Commit))
			continue
		}
		err := m.fetch(ctx, a, w.Commit)
		switch {
		case err == nil:
			fresh = true
		case fault.KindOf(err) == fault.Invalid:
			out[i].Err = fmt.Errorf("artifact %s: %w", w.Commit.Short(), err)
		default:
			return nil, fmt.Errorf("fetch %s: %w", m.url, err)
		}
	}
	if !fresh {
		return out, nil
	}
	return out, m.trim(want)
}

// trim drops artifacts that were not used for the longest time, but none that is wanted.
func (m *Mirror) trim(want []source.Resolved) error {
	var keep []string
	for _, w := range want {
		manifest, err := m.manifest(w.Commit)
		if err != nil {
			continue
		}
		keep = append(keep, string(w.Commit))
		for _, l := range manifest.Layers {
			keep = append(keep, hexOf(l.Digest.String()))
		}
	}
	return m.store.trim(keep...)
}

// fetch reads an artifact from the registry. It is kept if its files can be read, its manifest last.
func (m *Mirror) fetch(ctx context.Context, a Access, id source.Commit) error {
	r, err := m.as(a)
	if err != nil {
		return err
	}
	of, err := r.manifest(ctx, "sha256:"+string(id))
	if isAbsent(err) {
		return fault.Newf(fault.Invalid, "there is no such artifact: it was deleted or never pushed")
	}
	if err != nil {
		return err
	}
	parts, err := partsOf(of.Manifest)
	if err != nil {
		return err
	}
	left := 2 * m.o.MaxBlob
	blobs := make([][]byte, len(parts))
	for i, p := range parts {
		if blobs[i], err = r.blob(ctx, p.layer, max(left, 0), "artifact"); err != nil {
			return err
		}
		left -= int64(len(blobs[i]))
	}
	tree, err := treeOf(parts, blobs)
	if err != nil {
		return err
	}
	for i, p := range parts {
		if err := m.store.put(kindBlob, hexOf(p.layer.Digest.String()), blobs[i]); err != nil {
			return err
		}
	}
	if err := m.store.put(kindManifest, string(id), of.Raw); err != nil {
		return err
	}
	m.remember(m.snapshot(id, of.Manifest, tree))
	return nil
}

func (m *Mirror) snapshot(id source.Commit, of ocispec.Manifest, tree source.Tree) source.Snapshot {
	by, subject := described(of)
	return source.Snapshot{URL: m.url, Commit: id, Author: by, Subject: subject, Tree: tree}
}

func (m *Mirror) remember(s source.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recent = append(slices.DeleteFunc(m.recent, func(r source.Snapshot) bool { return r.Commit == s.Commit }), s)
	m.recent = m.recent[max(0, len(m.recent)-maxRecent):]
}

// Snapshot returns an artifact that was fetched. One that is not at hand is an error of kind fault.Transient: Fetch it.
func (m *Mirror) Snapshot(ctx context.Context, id source.Commit) (source.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return source.Snapshot{}, err
	}
	s, err := m.read(id)
	if err != nil {
		return source.Snapshot{}, fault.Newf(fault.Transient, "read artifact %s of %s: %w", id.Short(), m.url, err)
	}
	return s, nil
}

var errNotHere = errors.New("it is not at hand, or damaged")

// manifest reads a manifest that was kept.
func (m *Mirror) manifest(id source.Commit) (ocispec.Manifest, error) {
	digest := "sha256:" + string(id)
	if !digestForm.MatchString(digest) {
		return ocispec.Manifest{}, errNotHere
	}
	raw, ok := m.store.read(kindManifest, string(id), maxManifest)
	if !ok || sha256Of(raw) != digest {
		return ocispec.Manifest{}, errNotHere
	}
	var of ocispec.Manifest
	return of, json.Unmarshal(raw, &of)
}

// read reads an artifact that was kept.
func (m *Mirror) read(id source.Commit) (source.Snapshot, error) {
	m.mu.Lock()
	for _, r := range m.recent {
		if r.Commit == id {
			m.mu.Unlock()
			return r, nil
		}
	}
	m.mu.Unlock()
	of, err := m.manifest(id)
	if err != nil {
		return source.Snapshot{}, err
	}
	parts, err := partsOf(of)
	if err != nil {
		return source.Snapshot{}, err
	}
	blobs := make([][]byte, len(parts))
	for i, p := range parts {
		name := hexOf(p.layer.Digest.String())
		data, ok := m.store.read(kindBlob, name, 2*m.o.MaxBlob)
		if !ok || sha256Of(data) != p.layer.Digest.String() {
			return source.Snapshot{}, errNotHere
		}
		m.store.touch(kindBlob, name)
		blobs[i] = data
	}
	tree, err := treeOf(parts, blobs)
	if err != nil {
		return source.Snapshot{}, err
	}
	s := m.snapshot(id, of, tree)
	m.remember(s)
	return s, nil
}

// Vouch returns who signed an artifact that was fetched. An error of kind fault.Denied says that nobody did who counts; one of another kind that it could not
// be found out, and then nothing may be made of the artifact either.
func (m *Mirror) Vouch(ctx context.Context, a Access, t Trust, id source.Commit) (string, error) {
	raw, ok := m.store.read(kindManifest, string(id), maxManifest)
	digest := "sha256:" + string(id)
	if !ok || sha256Of(raw) != digest {
		return "", fault.Newf(fault.Transient, "read artifact %s of %s: %w", id.Short(), m.url, errNotHere)
	}
	r, err := m.as(a)
	if err != nil {
		return "", err
	}
	by, err := t.signed(ctx, r, manifest{Digest: digest, Raw: raw})
	if err != nil {
		return "", fmt.Errorf("artifact %s of %s: %w", id.Short(), strings.TrimPrefix(m.url, ociScheme), err)
	}
	return by, nil
}
