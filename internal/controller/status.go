package controller

import (
	"context"
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ignoreGone drops the error of a request about an object that does not exist. While an API server starts it may not know the kind at all, which says nothing
// of the object: that stays an error.
func ignoreGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}

func isGone(err error) bool {
	return apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// patchStatus writes what is different between two statuses of an object. The first status is written whole, zeros included, so that counters show as 0 and
// not as nothing.
func (c *controller) patchStatus(ctx context.Context, obj client.Object, was, next any, first bool) error {
	before := []byte("{}")
	if !first {
		var err error
		if before, err = json.Marshal(was); err != nil {
			return fmt.Errorf("encode status of %s: %w", obj.GetName(), err)
		}
	}
	after, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode status of %s: %w", obj.GetName(), err)
	}
	diff, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return fmt.Errorf("compare status of %s: %w", obj.GetName(), err)
	}
	patch := client.RawPatch(types.MergePatchType, append(append([]byte(`{"status":`), diff...), '}'))
	return c.client.Status().Patch(ctx, obj, patch)
}
