package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/release"
)

// mostStuck bounds how many workloads are looked into when a release has failed.
const mostStuck = 3

// sayStuck adds to the reason of a release that has just failed what its Pods say: that an image cannot be had is known to them alone. They are not watched; they are
// looked at once, before anything of the release is taken back. Was is how far the releases were.
func (e *Engine) sayStuck(ctx context.Context, m *memory, l *look, was release.State, records []release.Release) {
	cur := &m.releases.Current
	failed := cur.Phase == release.Failed || cur.Phase == release.RollingBack
	if !failed || cur.Serial != was.Current.Serial || was.Current.Phase == cur.Phase || was.Current.Phase == release.RollingBack {
		return
	}
	why := l.stuck(ctx)
	if why == "" || strings.Contains(cur.Why, why) {
		return
	}
	cur.Why += "; " + why
	for i := range records {
		if records[i].Serial == cur.Serial && records[i].Phase == cur.Phase {
			records[i].Why = cur.Why
		}
	}
}

// isWorkload reports whether an object keeps Pods running.
func isWorkload(k object.Key) bool {
	return k.Group == "apps" && (k.Kind == "Deployment" || k.Kind == "StatefulSet" || k.Kind == "DaemonSet")
}

// stuck is what the Pods say of the first workloads that are not healthy; empty if they say nothing, or may not be read.
func (l *look) stuck(ctx context.Context) string {
	all := l.health()
	var keys []object.Key
	for k, v := range all {
		if isWorkload(k) && (v.Status == health.Progressing || v.Status == health.Degraded) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, object.Key.Compare)
	for _, k := range keys[:min(len(keys), mostStuck)] {
		selector, _ := l.m.placed.objects[k].At("spec", "selector").(map[string]any)
		if len(selector) == 0 {
			continue
		}
		pods, err := l.session.Pods(ctx, k.Namespace, selector)
		if err != nil {
			continue
		}
		for _, p := range pods {
			if why := health.Stuck(p); why != "" {
				return "Pod " + p.Namespace() + "/" + p.Name() + ": " + why
			}
		}
	}
	return ""
}
