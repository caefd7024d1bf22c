package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// Ledger reads and writes records. It is safe for concurrent use; of two writers of one record one gets a Conflict.
type Ledger struct {
	secrets typed.SecretInterface
}

// Open returns the ledger in a namespace, which must exist.
func Open(secrets typed.SecretInterface) *Ledger { return &Ledger{secrets: secrets} }

// version is the stored state of a record: of its head, and which parts it names.
type version struct {
	resourceVersion string
	bundle          string // digest of the bundle whose parts the head names; empty if the bundle is in the head
	parts           int
}

func (v version) String() string {
	return v.resourceVersion + "/" + v.bundle + "/" + strconv.Itoa(v.parts)
}

func parseVersion(s string) version {
	rv, rest, _ := strings.Cut(s, "/")
	bundle, parts, _ := strings.Cut(rest, "/")
	n, _ := strconv.Atoi(parts)
	return version{rv, bundle, n}
}

const (
	secretType = corev1.SecretType("fairlead.dev/ledger")
	labelKind  = "fairlead.dev/ledger"
	kindHead   = "head"
	kindPart   = "part"
	keyClaims  = "claims"
	keyBundle  = "bundle"
	annParts   = "fairlead.dev/parts"
	annBundle  = "fairlead.dev/bundle"
	// The API server accepts Secrets of up to 1 MiB. A head holds a small bundle only if its claims leave room for it, now and once all objects are applied.
	partSize   = 500 << 10
	claimsSize = 1000 << 10
	fewClaims  = 4000
	// maxParts bounds a record to about 31 MiB compressed.
	maxParts = 64
)

// secretName is the name of the head Secret of an app's record: readable, and distinct whatever the names are.
func secretName(n app.Name) string {
	sum := sha256.Sum256([]byte(n.Namespace + "\x00" + n.Environment + "\x00" + n.App))
	readable := n.Object()
	return "ledger-" + readable[:min(len(readable), 180)] + "-" + hex.EncodeToString(sum[:5])
}

// partName names a part by what the whole bundle holds: writing another bundle never touches the parts of this one.
func partName(n app.Name, bundle string, i int) string {
	return secretName(n) + "-" + bundle + "-" + strconv.Itoa(i)
}

// Save writes a record over the version that it was read as, and returns the new version. A record without a bundle keeps the stored bundle. Parts
// of a large bundle are written first, beside those of the stored one: the head that names them makes them count.
func (l *Ledger) Save(ctx context.Context, r app.Record) (string, error) {
	was := parseVersion(r.Version)
	claims, err := encodeClaims(r)
	if err == nil && len(claims) > claimsSize {
		err = fault.Newf(fault.Invalid, "%d objects are too many for one app: split it", len(r.Claims))
	}
	if err != nil {
		return r.Version, fmt.Errorf("save ledger of %s: %w", r.App, err)
	}
	if r.Bundle == nil && was.resourceVersion != "" {
		return l.patchClaims(ctx, r, was, claims)
	}
	head := l.secret(secretName(r.App), kindHead, map[string][]byte{keyClaims: claims})
	head.ResourceVersion = was.resourceVersion
	is, err := l.putBundle(ctx, r, head)
	if err != nil {
		return r.Version, err
	}
	out, err := l.write(ctx, head)
	if absent.Object(err) && was.resourceVersion != "" {
		return r.Version, fault.New(fault.Conflict, fmt.Errorf("save ledger of %s: it is gone: %w", r.App, err))
	}
	if err != nil {
		return r.Version, fmt.Errorf("save ledger of %s: %w", r.App, classify(err))
	}
	is.resourceVersion = out.ResourceVersion
	if is.bundle != was.bundle {
		// The new record counts, whatever becomes of the parts of the old one.
		if err := l.deleteParts(ctx, r.App, was); err != nil {
			return is.String(), err
		}
	}
	return is.String(), nil
}

// putBundle stores a bundle in a head that is still to be written, or in parts that it names.
func (l *Ledger) putBundle(ctx context.Context, r app.Record, head *corev1.Secret) (version, error) {
	bundle, err := encodeBundle(r)
	if err != nil {
		return version{}, fmt.Errorf("encode bundle of %s: %w", r.App, err)
	}
	pieces := slices.Collect(slices.Chunk(bundle, partSize))
	if len(pieces) > maxParts {
		return version{}, fault.Newf(fault.Invalid, "save ledger of %s: %d MiB compressed is too much for one app: split it", r.App, len(bundle)>>20)
	}
	is := version{parts: len(pieces)}
	head.Annotations = map[string]string{annParts: strconv.Itoa(is.parts), "fairlead.dev/app": r.App.String()}
	if len(pieces) == 1 && len(r.Claims) <= fewClaims {
		head.Data[keyBundle] = bundle
		return is, nil
	}
	is.bundle = digest(bundle)
	head.Annotations[annBundle] = is.bundle
	for i, piece := range pieces {
		if err := l.put(ctx, l.secret(partName(r.App, is.bundle, i), kindPart, map[string][]byte{keyBundle: piece})); err != nil {
			return version{}, fmt.Errorf("save part %d of ledger of %s: %w", i, r.App, err)
		}
	}
	return is, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// patchClaims replaces the claims alone, provided that nobody has written the head since it was read.
func (l *Ledger) patchClaims(ctx context.Context, r app.Record, was version, claims []byte) (string, error) {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": was.resourceVersion},
		"data":     map[string]any{keyClaims: claims},
	})
	if err != nil {
		return r.Version, fmt.Errorf("encode claims of %s: %w", r.App, err)
	}
	out, err := l.secrets.Patch(ctx, secretName(r.App), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: app.Manager})
	if absent.Object(err) {
		return r.Version, fault.New(fault.Conflict, fmt.Errorf("save claims of %s: its ledger is gone: %w", r.App, err))
	}
	if err != nil {
		return r.Version, fmt.Errorf("save claims of %s: %w", r.App, classify(err))
	}
	return version{out.ResourceVersion, was.bundle, was.parts}.String(), nil
}

func (l *Ledger) write(ctx context.Context, s *corev1.Secret) (*corev1.Secret, error) {
	if s.ResourceVersion == "" {
		return l.secrets.Create(ctx, s, metav1.CreateOptions{FieldManager: app.Manager})
	}
	return l.secrets.Update(ctx, s, metav1.UpdateOptions{FieldManager: app.Manager})
}

// put writes a part. One that is there already is of a writer that did not get to its head: it holds the same, or was damaged.
func (l *Ledger) put(ctx context.Context, s *corev1.Secret) error {
	_, err := l.secrets.Create(ctx, s, metav1.CreateOptions{FieldManager: app.Manager})
	if apierrors.IsAlreadyExists(err) {
		_, err = l.secrets.Update(ctx, s, metav1.UpdateOptions{FieldManager: app.Manager})
	}
	return classify(err)
}

func (l *Ledger) secret(name, kind string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{labelKind: kind}},
		Type:       secretType,
		Data:       data,
	}
}

// Load reads the record of an app, without its bundle. No record is an empty Record and no error.
func (l *Ledger) Load(ctx context.Context, n app.Name) (app.Record, error) {
	head, err := l.head(ctx, n)
	if err != nil || head == nil {
		return app.Record{App: n}, err
	}
	return Read(head)
}

// head returns the head of an app's record, nil if there is none.
func (l *Ledger) head(ctx context.Context, n app.Name) (*corev1.Secret, error) {
	head, err := l.secrets.Get(ctx, secretName(n), metav1.GetOptions{})
	if absent.Object(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load ledger of %s: %w", n, classify(err))
	}
	return head, nil
}

// Read is the record that a head tells of, without its bundle: a Secret with the label selector [Heads].
func Read(head *corev1.Secret) (app.Record, error) {
	parts, err := strconv.Atoi(head.Annotations[annParts])
	if err != nil || parts < 1 || parts > maxParts {
		return app.Record{}, fault.Newf(fault.Invalid, "read ledger Secret %s: annotation %s is not a number of parts", head.Name, annParts)
	}
	r, err := decodeClaims(head.Data[keyClaims])
	if err != nil {
		return app.Record{}, fmt.Errorf("read ledger Secret %s: %w", head.Name, err)
	}
	r.Version = version{head.ResourceVersion, head.Annotations[annBundle], parts}.String()
	return r, nil
}

// Bundle reads what was applied last of an app; nil if there is no record. A bundle that is damaged is an error; the claims of its record are not affected.
func (l *Ledger) Bundle(ctx context.Context, n app.Name) ([]object.Object, error) {
	head, err := l.head(ctx, n)
	if err != nil || head == nil {
		return nil, err
	}
	r, err := Read(head)
	if err != nil {
		return nil, err
	}
	data := head.Data[keyBundle]
	if v := parseVersion(r.Version); v.bundle != "" {
		if data, err = l.parts(ctx, n, v); err != nil {
			return nil, err
		}
	}
	bundle, err := decodeBundle(data)
	if err != nil {
		return nil, fmt.Errorf("read bundle of ledger Secret %s: %w", head.Name, err)
	}
	return bundle, nil
}

func (l *Ledger) parts(ctx context.Context, n app.Name, v version) ([]byte, error) {
	var data []byte
	for i := range v.parts {
		part, err := l.secrets.Get(ctx, partName(n, v.bundle, i), metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("load part %d of ledger of %s: %w", i, n, classify(err))
		}
		data = append(data, part.Data[keyBundle]...)
	}
	if digest(data) != v.bundle {
		return nil, fault.Newf(fault.Invalid, "load ledger of %s: its parts are not what was written", n)
	}
	return data, nil
}

// Delete forgets an app: its objects stay as they are. A record that is not there is no error.
func (l *Ledger) Delete(ctx context.Context, r app.Record) error {
	if err := l.delete(ctx, secretName(r.App)); err != nil {
		return fmt.Errorf("delete ledger of %s: %w", r.App, err)
	}
	return l.deleteParts(ctx, r.App, parseVersion(r.Version))
}

// deleteParts deletes exactly the parts of one version: another writer may be writing its own.
func (l *Ledger) deleteParts(ctx context.Context, n app.Name, v version) error {
	if v.bundle == "" {
		return nil
	}
	for i := range v.parts {
		if err := l.delete(ctx, partName(n, v.bundle, i)); err != nil {
			return fmt.Errorf("delete part %d of ledger of %s: %w", i, n, err)
		}
	}
	return nil
}

func (l *Ledger) delete(ctx context.Context, name string) error {
	err := l.secrets.Delete(ctx, name, metav1.DeleteOptions{})
	if absent.Object(err) {
		return nil
	}
	return classify(err)
}

// List reads the claims of every record, by app, without the bundles. A record that cannot be read is reported in broken by the name of its Secret and stops nothing.
func (l *Ledger) List(ctx context.Context) (all map[app.Name]app.Record, broken map[string]error, err error) {
	all, broken = map[app.Name]app.Record{}, map[string]error{}
	opts := metav1.ListOptions{LabelSelector: labelKind + "=" + kindHead, Limit: 100}
	for {
		list, err := l.secrets.List(ctx, opts)
		if err != nil {
			return nil, nil, fmt.Errorf("list ledger: %w", classify(err))
		}
		for i := range list.Items {
			r, err := Read(&list.Items[i])
			if err != nil {
				broken[list.Items[i].Name] = err
				continue
			}
			all[r.App] = r
		}
		if list.Continue == "" {
			return all, maps.Clone(broken), nil
		}
		opts.Continue = list.Continue
	}
}

func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fault.New(fault.Conflict, err)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault.New(fault.Denied, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		return fault.New(fault.Invalid, err)
	default:
		return fault.New(fault.Transient, err)
	}
}
