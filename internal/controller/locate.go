package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/engine"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// locate points what was refused to the line of the field in Git, where it is known. An object is known by the file that it was written in; the field is
// looked for there.
func (m *member) locate(out *engine.Outcome) {
	var refusal *plan.Refusal
	if len(out.Plan.Refused) == 0 && !slices.ContainsFunc(out.Results, func(r engine.Result) bool { return errors.As(r.Err, &refusal) }) {
		return // of a large app this would take long
	}
	m.mu.Lock()
	tree, wants := m.place.tip.head().snapshot.Tree, m.wants()
	m.unlock()
	origins := map[object.Key]object.Origin{}
	for _, o := range wants() {
		k := o.Key()
		origins[k] = o.Origin()
		k.Namespace = ""
		if _, twice := origins[k]; !twice {
			origins[k] = o.Origin()
		}
	}
	if tree == nil {
		return
	}
	at := func(key object.Key, field string) string {
		origin, ok := origins[key]
		if !ok {
			key.Namespace = ""
			origin, ok = origins[key]
		}
		if !ok || field == "" {
			return origin.String()
		}
		data, err := tree.ReadFile(origin.File)
		if err != nil {
			return origin.String()
		}
		if line, ok := object.Locate(data, key, field); ok {
			origin.Line = line
		}
		return origin.String()
	}
	for i, n := range out.Plan.Refused {
		if where := at(n.Key, n.Field); where != "" {
			out.Plan.Refused[i].At = where
		}
	}
	for _, r := range out.Results {
		if errors.As(r.Err, &refusal) {
			refusal.At = at(r.Step.Key, refusal.Field)
		}
	}
}

// identityProblem explains refusals that come from a ServiceAccount that does not exist; nil if that is not why.
func (c *controller) identityProblem(ctx context.Context, env *v1alpha1.Environment, out engine.Outcome) error {
	denied := false
	for _, n := range out.Plan.Refused {
		denied = denied || strings.Contains(n.Text, " may not ")
	}
	denied = denied || strings.Contains(out.Plan.Blocked, " may not ")
	if !denied {
		return nil
	}
	why, gone := c.identityGone(ctx, env)
	if !gone {
		return nil
	}
	return fault.New(fault.Invalid, fmt.Errorf("%s: create it, or name another one in spec.destination.serviceAccount of Environment %s", why, env.Name))
}
