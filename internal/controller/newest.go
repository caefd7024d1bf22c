package controller

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// edition is what people wrote of one object, as it was read last.
type edition struct {
	uid        types.UID
	generation int64
}

// newest makes sure that an object, as the cache has it, is none that people have changed since it was read last: it is read from the API server the first
// time, since a cache that was just filled may lag behind what an earlier process went by, and whenever the cache lags behind that.
func (c *controller) newest(ctx context.Context, obj client.Object, last *edition) error {
	if obj.GetUID() != last.uid || obj.GetGeneration() < last.generation {
		if err := c.reader.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
	}
	*last = edition{obj.GetUID(), obj.GetGeneration()}
	return nil
}
