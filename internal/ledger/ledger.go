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

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Ledger reads and writes records. It is safe for concurrent use; of two writers of one record one gets a Conflict.
type Ledger struct {
	secrets typed.SecretInterface
}

// Open returns the ledger in a namespace, which must exist.
func Open(secrets typed.SecretInterface) *Ledger { return &Ledger{secrets: secrets} }

// version is the stored state of a record: of its head, and how many parts it has.
type version struct {
	resourceVersion string
	parts           int
}

func (v version) String() string { return v.resourceVersion + "/" + strconv.Itoa(v.parts) }

func parseVersion(s string) version {
	rv, parts, _ := strings.Cut(s, "/")
	n, _ := strconv.Atoi(parts)
	return version{rv, n}
}

const (
	secretType = corev1.SecretType("fairlead.dev/ledger")
	labelKind  = "fairlead.dev/ledger"
	kindHead   = "head"
	kindPart   = "part"
	keyClaims  = "claims"
	keyBundle  = "bundle"
	annParts   = "fairlead.dev/parts"
	// partSize keeps each Secret below the 1 MiB that the API server accepts.
	partSize = 500 << 10
	// maxParts bounds a record to about 31 MiB compressed.
	maxParts = 64
)

// secretName is the name of the head Secret of an app's record: readable, and distinct whatever the names are.
func secretName(n app.Name) string {
	sum := sha256.Sum256([]byte(n.Namespace + "\x00" + n.Environment + "\x00" + n.App))
	readable := n.Object()
	return "ledger-" + readable[:min(len(readable), 180)] + "-" + hex.EncodeToString(sum[:5])
}

func partName(n app.Name, i int) string { return secretName(n) + "-" + strconv.Itoa(i) }

// Save writes a record over the version that it was read as, and returns the new version. A record without a bundle keeps the stored bundle. Parts
// of a large bundle are written first: the head that names them makes them count.
func (l *Ledger) Save(ctx context.Context, r app.Record) (string, error) {
	was := parseVersion(r.Version)
	claims, err := encodeClaims(r)
	if err == nil && len(claims) > partSize {
		err = fault.Newf(fault.Invalid, "%d objects are too many for one app: split it", len(r.Claims))
	}
	if err != nil {
		return r.Version, fmt.Errorf("save ledger of %s: %w", r.App, err)
	}
	if r.Bundle == nil && was.resourceVersion != "" {
		return l.patchClaims(ctx, r, was, claims)
	}
	bundle, err := encodeBundle(r)
	if err != nil {
		return r.Version, fmt.Errorf("encode bundle of %s: %w", r.App, err)
	}
	pieces := slices.Collect(slices.Chunk(bundle, partSize))
	if len(pieces) > maxParts {
		return r.Version, fault.Newf(fault.Invalid, "save ledger of %s: %d MiB compressed is too much for one app: split it", r.App, len(bundle)>>20)
	}
	if err := l.putParts(ctx, r.App, pieces); err != nil {
		return r.Version, err
	}
	head := l.secret(secretName(r.App), kindHead, map[string][]byte{keyClaims: claims})
	if inHead(pieces) {
		head.Data[keyBundle] = pieces[0]
	}
	head.Annotations = map[string]string{annParts: strconv.Itoa(len(pieces)), "fairlead.dev/app": r.App.String()}
	head.ResourceVersion = was.resourceVersion
	out, err := l.write(ctx, head)
	if err != nil {
		return r.Version, fmt.Errorf("save ledger of %s: %w", r.App, classify(err))
	}
	for i := len(pieces); i < was.parts; i++ {
		if err := l.delete(ctx, partName(r.App, i)); err != nil {
			return r.Version, fmt.Errorf("shrink ledger of %s: %w", r.App, err)
		}
	}
	return version{out.ResourceVersion, len(pieces)}.String(), nil
}

func (l *Ledger) putParts(ctx context.Context, n app.Name, pieces [][]byte) error {
	if inHead(pieces) {
		return nil
	}
	for i, piece := range pieces {
		if err := l.put(ctx, l.secret(partName(n, i), kindPart, map[string][]byte{keyBundle: piece})); err != nil {
			return fmt.Errorf("save part %d of ledger of %s: %w", i, n, err)
		}
	}
	return nil
}

// inHead reports whether a bundle is small enough to be stored beside the claims.
func inHead(pieces [][]byte) bool { return len(pieces) == 1 }

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
	if apierrors.IsNotFound(err) {
		return r.Version, fault.New(fault.Conflict, fmt.Errorf("save claims of %s: its ledger is gone: %w", r.App, err))
	}
	if err != nil {
		return r.Version, fmt.Errorf("save claims of %s: %w", r.App, classify(err))
	}
	return version{out.ResourceVersion, was.parts}.String(), nil
}

func (l *Ledger) write(ctx context.Context, s *corev1.Secret) (*corev1.Secret, error) {
	if s.ResourceVersion == "" {
		return l.secrets.Create(ctx, s, metav1.CreateOptions{FieldManager: app.Manager})
	}
	return l.secrets.Update(ctx, s, metav1.UpdateOptions{FieldManager: app.Manager})
}

// put writes a part whatever was there before: parts are named by no one but a head.
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

// Load reads the record of an app. No record is an empty Record and no error.
func (l *Ledger) Load(ctx context.Context, n app.Name) (app.Record, error) {
	head, err := l.secrets.Get(ctx, secretName(n), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return app.Record{App: n}, nil
	}
	if err != nil {
		return app.Record{}, fmt.Errorf("load ledger of %s: %w", n, classify(err))
	}
	r, err := l.decode(head)
	if err != nil {
		return app.Record{}, err
	}
	return r, l.bundle(ctx, head, &r)
}

func (l *Ledger) decode(head *corev1.Secret) (app.Record, error) {
	parts, err := strconv.Atoi(head.Annotations[annParts])
	if err != nil || parts < 1 || parts > maxParts {
		return app.Record{}, fault.Newf(fault.Invalid, "read ledger Secret %s: annotation %s is not a number of parts", head.Name, annParts)
	}
	r, err := decodeClaims(head.Data[keyClaims])
	if err != nil {
		return app.Record{}, fmt.Errorf("read ledger Secret %s: %w", head.Name, err)
	}
	r.Version = version{head.ResourceVersion, parts}.String()
	return r, nil
}

// bundle reads the bundle that a head names.
func (l *Ledger) bundle(ctx context.Context, head *corev1.Secret, r *app.Record) error {
	data := head.Data[keyBundle]
	if data == nil {
		for i := range parseVersion(r.Version).parts {
			part, err := l.secrets.Get(ctx, head.Name+"-"+strconv.Itoa(i), metav1.GetOptions{})
			if err != nil {
				return fmt.Errorf("load part %d of ledger Secret %s: %w", i, head.Name, classify(err))
			}
			data = append(data, part.Data[keyBundle]...)
		}
	}
	bundle, err := decodeBundle(data)
	if err != nil {
		return fmt.Errorf("read bundle of ledger Secret %s: %w", head.Name, err)
	}
	r.Bundle = bundle
	return nil
}

// Delete forgets an app: its objects stay as they are. A record that is not there is no error.
func (l *Ledger) Delete(ctx context.Context, r app.Record) error {
	n, was := r.App, parseVersion(r.Version)
	if err := l.delete(ctx, secretName(n)); err != nil {
		return fmt.Errorf("delete ledger of %s: %w", n, err)
	}
	for i := range was.parts {
		if err := l.delete(ctx, partName(n, i)); err != nil {
			return fmt.Errorf("delete part %d of ledger of %s: %w", i, n, err)
		}
	}
	return nil
}

func (l *Ledger) delete(ctx context.Context, name string) error {
	err := l.secrets.Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return classify(err)
}

// List reads the claims of every record, by app, without the bundles. A record that cannot be read is reported in broken by the name of its Secret and stops nothing.
func (l *Ledger) List(ctx context.Context) (all map[app.Name]app.Record, broken map[string]error, err error) {
	all, broken = map[app.Name]app.Record{}, map[string]error{}
	opts := metav1.ListOptions{LabelSelector: labelKind + "=" + kindHead, Limit: 500}
	for {
		list, err := l.secrets.List(ctx, opts)
		if err != nil {
			return nil, nil, fmt.Errorf("list ledger: %w", classify(err))
		}
		for i := range list.Items {
			r, err := l.decode(&list.Items[i])
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
	default:
		return fault.New(fault.Transient, err)
	}
}
