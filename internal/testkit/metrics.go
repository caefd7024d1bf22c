package testkit

import (
	"context"

	"github.com/fairlead-cd/fairlead/internal/series"
)

// Metrics asks the controller for its metrics.
func (c *Controller) Metrics(ctx context.Context) (series.Set, error) {
	text, err := c.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	return series.Parse(text)
}
