package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/signature"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// trust is whose signatures a Repository asks for, and of what.
type trust struct {
	mode   v1alpha1.VerifyMode
	ring   signature.Ring
	keys   registry.Trust // of artifacts
	digest string
}

// id identifies what is asked for: a head that was accepted under another one is looked at again. Nothing is asked for by nil.
func (t *trust) id() string {
	if t == nil {
		return ""
	}
	return t.digest
}

// vouched is who signed a head.
type vouched struct {
	by     string // id of the trust under which it was accepted
	signer string
	since  time.Time // when it was accepted first
}

func vouchedOf(st v1alpha1.RefStatus) vouched {
	v := vouched{signer: st.Signer}
	if st.Verified != nil {
		v.since = st.Verified.Time
	}
	return v
}

// time is since, as status shows it; nil if nobody vouched.
func (v vouched) time() *metav1.Time {
	if v.since.IsZero() {
		return nil
	}
	return &metav1.Time{Time: v.since.Truncate(time.Second)}
}

// trustOf reads whose signatures a Repository asks for; nil if it asks for none. If that cannot be told, nothing moves.
func (c *controller) trustOf(ctx context.Context, repo *v1alpha1.Repository) (*trust, error) {
	v := repo.Spec.Verify
	if v == nil {
		return nil, nil
	}
	secret, err := c.secretAt(ctx, repo, "spec.verify.secretRef", v.SecretRef.Name)
	if err != nil {
		return nil, err
	}
	t := &trust{mode: v.Mode}
	if registry.IsOCI(repo.Spec.URL) {
		t.keys, err = registry.TrustOf(secret.Data)
	} else {
		t.ring, err = signature.Parse(secret.Data)
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s/%s of spec.verify: %w", repo.Namespace, secret.Name, err)
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s\n", t.mode)
	for _, name := range slices.Sorted(maps.Keys(secret.Data)) {
		_, _ = fmt.Fprintf(h, "%q %q\n", name, secret.Data[name])
	}
	t.digest = hex.EncodeToString(h.Sum(nil))
	return t, nil
}

// vouch finds out who signed what a ref names now. An error of kind fault.Denied or fault.Invalid says that it must not be used.
func (c *controller) vouch(ctx context.Context, r *repository, a answers, was head, now source.Resolved) (vouched, error) {
	if a.trust == nil {
		return vouched{}, nil
	}
	last := was
	if last.Commit == "" {
		last = c.lastGood(ctx, r, now.Ref)
	}
	v := vouched{by: a.trust.digest, since: c.now()}
	if last.Commit == now.Commit && !last.vouched.since.IsZero() {
		v.since = last.vouched.since
	}
	var err error
	signed, beside := r.mirror.Mirror.(voucher)
	switch mode := a.trust.mode; {
	case beside:
		v.signer, err = signed.Vouch(ctx, a.auth, a.trust.keys, now.Commit)
	case mode == v1alpha1.VerifyTag:
		v.signer, err = c.vouchTag(ctx, r, a.trust, now, v.since)
	case mode == v1alpha1.VerifyEvery:
		v.signer, err = c.vouchEvery(ctx, r, a, last.Commit, now.Commit, v.since)
	default:
		v.signer, err = c.vouchCommit(ctx, r, a.trust, now.Commit, v.since)
	}
	if err != nil {
		return vouched{}, err
	}
	return v, nil
}

func (c *controller) vouchCommit(ctx context.Context, r *repository, t *trust, id source.Commit, at time.Time) (string, error) {
	raw, err := r.mirror.Commit(ctx, id)
	if err != nil {
		return "", err
	}
	signed, err := signature.OfCommit(raw, len(id) == 64)
	var by signature.Signer
	if err == nil {
		by, err = t.ring.Verify(signed, at)
	}
	if err != nil {
		return "", fmt.Errorf("commit %s is refused: %w", id.Short(), err)
	}
	return clipText(by.String(), 300), nil
}

func (c *controller) vouchTag(ctx context.Context, r *repository, t *trust, now source.Resolved, at time.Time) (string, error) {
	name, isTag := strings.CutPrefix(now.Name, "refs/tags/")
	switch {
	case !isTag:
		return "", fault.Newf(fault.Denied, "%s is refused: it is no tag, and spec.verify.mode is Tag: let the Environment follow a tag, or set the mode to Head", now.Ref)
	case now.Tag == "":
		return "", fault.Newf(fault.Denied, "tag %s is refused: it is not annotated, and so not signed: make it with git tag -s", name)
	}
	raw, err := r.mirror.Tag(ctx, now.Tag)
	if err != nil {
		return "", err
	}
	signed, err := signature.OfTag(raw, name, string(now.Commit))
	var by signature.Signer
	if err == nil {
		by, err = t.ring.Verify(signed, at)
	}
	if err != nil {
		return "", fmt.Errorf("tag %s is refused: %w", name, err)
	}
	return clipText(by.String(), 300), nil
}

// vouchEvery asks for a signature of each commit that came since the last good one. It returns who signed the newest.
func (c *controller) vouchEvery(ctx context.Context, r *repository, a answers, last, now source.Commit, at time.Time) (string, error) {
	list := []source.Commit{now}
	if last != "" && last != now {
		var err error
		if list, err = r.mirror.Between(ctx, a.auth, last, now); err != nil {
			return "", err
		}
	}
	if len(list) == 0 || list[0] != now { // moved back to where it was before
		list = slices.Insert(list, 0, now)
	}
	newest := ""
	for i, id := range list {
		signer, err := c.vouchCommit(ctx, r, a.trust, id, at)
		if err != nil && id != now {
			return "", fmt.Errorf("%s is refused: it is one of %d that came since %s: %w", now.Short(), len(list), last.Short(), err)
		}
		if err != nil {
			return "", err
		}
		if i == 0 {
			newest = signer
		}
	}
	return newest, nil
}
