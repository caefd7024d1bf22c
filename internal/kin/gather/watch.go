package gather

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Watch tells of changes of the kinds that were looked through, where they were, until ctx ends. A watch that may not be opened, or that ends, is given up: look
// again every now and then. Changes that nobody has received are told once.
func (c *Cluster) Watch(ctx context.Context, f Found) <-chan struct{} {
	changed := make(chan struct{}, 1)
	for _, p := range f.listed {
		go c.watch(ctx, p, changed)
	}
	return changed
}

func (c *Cluster) watch(ctx context.Context, p place, changed chan<- struct{}) {
	w, err := c.metadata.Resource(gvr(p.kind)).Namespace(p.namespace).Watch(ctx, metav1.ListOptions{LabelSelector: p.selector, ResourceVersion: p.version})
	if err != nil {
		return
	}
	defer w.Stop()
	for range w.ResultChan() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}
