package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/fleet"
)

// environmentStatus writes where an environment stands, if that changed.
func (c *controller) environmentStatus(ctx context.Context, e fleet.Environment, env *v1alpha1.Environment, st *environment) error {
	if err := c.settle(ctx, env, st); err != nil {
		return absent.Ignore(err)
	}
	next := *st.status.DeepCopy()
	c.mu.Lock()
	if st.asked != "" && c.polledSince(env, st.askedAt) && !c.busy(e) {
		st.synced, st.asked = st.asked, ""
	}
	next.ObservedGeneration, next.LastHandledSync = env.Generation, st.synced
	next.Commit, next.Sources = st.commit, slices.Clone(st.sources)
	problem, wrong := errors.Join(st.ruleErr, st.problem), clipText(st.wrong, 400)
	c.mu.Unlock()
	var worst string
	next.Apps, worst = c.count(e)
	reason, message := "Ready", fmt.Sprintf("%d of %d apps are ready", next.Apps.Ready, next.Apps.Total)
	ready := problem == nil && wrong == "" && st.open == nil && next.Apps.Ready == next.Apps.Total
	switch {
	case problem != nil:
		reason, message = "SourceFailed", clipText(strings.ReplaceAll(problem.Error(), "\n", "; "), 700)
	case env.Spec.Sync.Suspend:
		reason, message, ready = "Suspended", suspendedText(env), false
	case wrong != "":
		reason, message = "UnusableDirectory", message+"; "+wrong+worst
	case st.open != nil:
		reason, message = "NotBlocked", message+"; changes by hand are corrected and not refused: "+clipText(st.open.Error(), 400)+worst
	case !ready:
		reason, message = "Apps", message+worst
	}
	setConditions(&next.Conditions, env.Generation, c.now(), ready, stalled(problem) || stalled(st.open) || wrong != "" || next.Apps.Failed+next.Apps.Held > 0, reason, message)
	if equality.Semantic.DeepEqual(next, st.status) {
		return nil
	}
	switch {
	case problem != nil && !sameMessage(st.status.Conditions, message):
		c.warn(env, reason, "Find", message)
	case reason == "UnusableDirectory" && !says(st.status.Conditions, wrong): // how many apps are ready is no news
		c.warn(env, reason, "Find", wrong)
	}
	if err := absent.Ignore(c.patchStatus(ctx, env, st.status, next, st.status.ObservedGeneration == 0)); err != nil {
		st.doubted = true
		return err
	}
	st.status = *next.DeepCopy()
	return nil
}

// settle finds out what the Environment says of itself, if the last write of its status may or may not have been carried out.
func (c *controller) settle(ctx context.Context, env *v1alpha1.Environment, st *environment) error {
	if !st.doubted {
		return nil
	}
	var live v1alpha1.Environment
	if err := c.reader.Get(ctx, client.ObjectKeyFromObject(env), &live); err != nil {
		return err
	}
	st.status, st.doubted = live.Status, false
	return nil
}

// polledSince reports whether every repository of an environment has been asked since. The lock is held.
func (c *controller) polledSince(env *v1alpha1.Environment, since time.Time) bool {
	for _, s := range env.Spec.Sources {
		r := c.repos[types.NamespacedName{Namespace: env.Namespace, Name: s.Repository}]
		if r != nil && !r.polled.After(since) {
			return false
		}
	}
	return true
}

// busy reports whether an app of an environment has something new to look at. The lock is held.
func (c *controller) busy(e fleet.Environment) bool {
	for _, m := range c.apps {
		if fleet.Of(m.name) == e && m.isDirty() {
			return true
		}
	}
	return false
}

func (c *controller) isBusy(e fleet.Environment) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy(e)
}

// isStarting reports whether an app of an environment has not been looked at by this process.
func (c *controller) isStarting(e fleet.Environment) bool {
	for _, n := range c.fleet.Apps(e) {
		if !c.member(n).isBegun() {
			return true
		}
	}
	return false
}

// count counts the apps by how they are, and names the first that is not well.
func (c *controller) count(e fleet.Environment) (v1alpha1.AppCounts, string) {
	var n v1alpha1.AppCounts
	worst := ""
	for _, name := range c.fleet.Apps(e) {
		m := c.member(name)
		st := m.stands()
		n.Total++
		ready := isReady(st) && !m.isDirty()
		switch {
		case ready:
			n.Ready++
		case st.Phase == v1alpha1.PhaseHeld:
			n.Held++
		case isFailed(st):
			n.Failed++
		}
		if !ready && worst == "" && st.Reason != "" {
			worst = "; " + name.App + ": " + st.Reason
		}
	}
	return n, clipText(worst, 400)
}

func suspendedText(env *v1alpha1.Environment) string {
	text := "suspended"
	if by := env.Annotations["fairlead.dev/suspended-by"]; by != "" {
		text += " by " + by
	}
	if why := env.Annotations["fairlead.dev/suspended-because"]; why != "" {
		text += ": " + why
	}
	return clipText(strings.TrimSpace(text), 300)
}
