package controller

import (
	"context"
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

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
