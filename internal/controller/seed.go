package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/render"
)

// seed answers what the generated values of an Environment are drawn from: a secret of its own, which is made when somebody asks for it first. See decision 16.
func (c *controller) seed(ctx context.Context, env *v1alpha1.Environment, q render.Question) (render.Answer, error) {
	secret, made, err := c.ledger.Seed(ctx, env.Namespace, env.Name)
	if err != nil {
		return render.Answer{}, err
	}
	since := lastHalf(made, c.now(), q.Days)
	return render.Answer{ID: fmt.Sprintf("%d %d", made.Unix(), since.Unix()), Seed: secret, Since: since}, nil
}

// lastHalf is the last of the points in time, from the first one on, that are half as far apart as something is good for that many days: what is made then is made anew
// when half of its time is over.
func lastHalf(first, now time.Time, days int) time.Time {
	half := time.Duration(min(days, 36500)) * 12 * time.Hour
	if half <= 0 || now.Before(first) {
		return first
	}
	return first.Add(now.Sub(first) / half * half)
}
