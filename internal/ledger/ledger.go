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

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Ledger reads and writes records. It is safe for concurrent use; of two writers of one record one gets a Conflict.
type Ledger struct {
	secrets typed.SecretInterface
}

// Open returns the ledger in a namespace, which must exist.
func Open(secrets typed.SecretInterface) *Ledger { return &Ledger{secrets: secrets} }

const (
	secretType = corev1.SecretType("fairlead.dev/ledger")
	labelKind  = "fairlead.dev/ledger"
	kindHead   = "head"
	kindPart   = "part"
	keyClaims  = "claims"
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

// Save writes a record over the version that it was read as, and returns the new version. A record whose digest is stored needs no bundle: what is stored under
// it counts. Of the other bundles those stay that it says are to be kept. Parts of a large bundle are written first, beside those of the stored ones: the head
// that names them makes them count.
func (l *Ledger) Save(ctx context.Context, r app.Record) (string, error) {
	was := parseVersion(r.Version)
	claims, err := encodeClaims(r)
	if err == nil && len(claims) > claimsSize {
		err = fault.Newf(fault.Invalid, "%d objects are too many for one app: split it", len(r.Claims))
	}
	if err != nil {
		return r.Version, fmt.Errorf("save ledger of %s: %w", r.App, err)
	}
	data := map[string][]byte{keyClaims: claims}
	applied, err := l.putBundle(ctx, r, was, data)
	if err != nil {
		return r.Version, err
	}
	has, err := l.putAlso(ctx, r, was, data)
	if err != nil {
		return r.Version, err
	}
	stay, gone := has.next(applied, r.Keep)
	is := version{bundles: stay}
	if is.resourceVersion, err = l.write(ctx, r.App, was, is, gone, data); err != nil {
		return r.Version, err
	}
	for _, b := range gone { // the new record counts, whatever becomes of them
		if err := l.deleteParts(ctx, r.App, b); err != nil {
			return is.String(), err
		}
	}
	return is.String(), nil
}

// write makes the head, or changes the one that was read, provided that nobody has written it since, and returns its resourceVersion.
func (l *Ledger) write(ctx context.Context, n app.Name, was, is version, gone []bundle, data map[string][]byte) (string, error) {
	index, err := json.Marshal(is.bundles)
	if err != nil {
		return "", fmt.Errorf("encode ledger of %s: %w", n, err)
	}
	var out *corev1.Secret
	if was.resourceVersion == "" {
		head := l.secret(secretName(n), kindHead, data)
		head.Annotations = map[string]string{annBundles: string(index), "fairlead.dev/app": n.String()}
		out, err = l.secrets.Create(ctx, head, metav1.CreateOptions{FieldManager: app.Manager})
	} else if out, err = l.change(ctx, n, was, is, string(index), gone, data); absent.Object(err) {
		return "", fault.New(fault.Conflict, fmt.Errorf("save ledger of %s: it is gone: %w", n, err))
	}
	if err != nil {
		return "", fmt.Errorf("save ledger of %s: %w", n, classify(err))
	}
	return out.ResourceVersion, nil
}

// change patches what is different in a head.
func (l *Ledger) change(ctx context.Context, n app.Name, was, is version, index string, gone []bundle, data map[string][]byte) (*corev1.Secret, error) {
	entries := make(map[string]any, len(data)+len(gone))
	for k, v := range data {
		entries[k] = v
	}
	for _, b := range gone {
		if b.Key != "" {
			entries[b.Key] = nil
		}
	}
	meta := map[string]any{"resourceVersion": was.resourceVersion}
	if !slices.Equal(was.bundles, is.bundles) {
		meta["annotations"] = map[string]any{annBundles: index, annParts: nil, annBundle: nil}
	}
	patch, err := json.Marshal(map[string]any{"metadata": meta, "data": entries})
	if err != nil {
		return nil, err
	}
	return l.secrets.Patch(ctx, secretName(n), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: app.Manager})
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
		return nil, fmt.Errorf("load ledger of %s: %w", n, unread(err))
	}
	return head, nil
}

// Read is the record that a head tells of, without its bundle: a Secret with the label selector [Heads].
func Read(head *corev1.Secret) (app.Record, error) {
	r, err := decodeClaims(head.Data[keyClaims])
	if err != nil {
		return app.Record{}, fmt.Errorf("read ledger Secret %s: %w", head.Name, err)
	}
	bundles, err := bundlesOf(head, r.Digest)
	if err != nil {
		return app.Record{}, err
	}
	r.Version = version{head.ResourceVersion, bundles}.String()
	return r, nil
}

func (l *Ledger) parts(ctx context.Context, n app.Name, b bundle) ([]byte, error) {
	var data []byte
	for i := range b.Parts {
		part, err := l.secrets.Get(ctx, partName(n, b.Bytes, i), metav1.GetOptions{})
		if absent.Object(err) {
			return nil, fault.Newf(fault.Invalid, "load ledger of %s: somebody deleted Secret %s, a part of it", n, partName(n, b.Bytes, i))
		}
		if err != nil {
			return nil, fmt.Errorf("load part %d of ledger of %s: %w", i, n, unread(err))
		}
		data = append(data, part.Data[keyBundle]...)
	}
	if digest(data) != b.Bytes {
		return nil, fault.Newf(fault.Invalid, "load ledger of %s: its parts are not what was written", n)
	}
	return data, nil
}

// Delete forgets an app: its objects stay as they are. A record that is not there is no error.
func (l *Ledger) Delete(ctx context.Context, r app.Record) error {
	if err := l.delete(ctx, secretName(r.App)); err != nil {
		return fmt.Errorf("delete ledger of %s: %w", r.App, err)
	}
	for _, b := range parseVersion(r.Version).bundles {
		if err := l.deleteParts(ctx, r.App, b); err != nil {
			return err
		}
	}
	return nil
}

// deleteParts deletes exactly the parts of one bundle: another writer may be writing its own.
func (l *Ledger) deleteParts(ctx context.Context, n app.Name, b bundle) error {
	for i := range b.Parts {
		if err := l.delete(ctx, partName(n, b.Bytes, i)); err != nil {
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
			return nil, nil, fmt.Errorf("list ledger: %w", unread(err))
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

// unread gives an error of a read its kind: there is nothing in a read that could be wrong, so that all but a right that is missing passes.
func unread(err error) error {
	if err = classify(err); err != nil && fault.KindOf(err) != fault.Denied {
		return fault.New(fault.Transient, err)
	}
	return err
}

// classify gives an error of a write its kind.
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
