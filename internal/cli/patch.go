package cli

import (
	"context"
	"encoding/json"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// manager is the field manager of what people do through the commands.
const manager = "fairlead-cli"

// merge patches an object as the field manager of people. A nil value removes a field.
func merge(ctx context.Context, c client.Client, o client.Object, fields map[string]any) error {
	data, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return c.Patch(ctx, o, client.RawPatch(types.MergePatchType, data), client.FieldOwner(manager))
}

// annotate sets annotations; a nil value removes one.
func annotate(ctx context.Context, c client.Client, o client.Object, annotations map[string]any) error {
	return merge(ctx, c, o, map[string]any{"metadata": map[string]any{"annotations": annotations}})
}
