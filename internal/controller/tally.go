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
)

// environmentStatus writes where an environment stands, if that changed.
func (c *controller) environmentStatus(ctx context.Context, env *v1alpha1.Environment, st *environment) error {
	if err := c.settle(ctx, env, st); err != nil {
		return absent.Ignore(err)
	}
	next := *st.status.DeepCopy()
	c.mu.Lock()
	if st.asked != "" && c.polledSince(env, st.askedAt) && !st.roll.isBusy() {
		st.synced, st.asked = st.asked, ""
	}
	next.ObservedGeneration, next.LastHandledSync = env.Generation, st.synced
	next.Commit, next.Sources = st.commit, slices.Clone(st.sources)
	problem, wrong := errors.Join(st.ruleErr, st.problem), clipText(st.wrong, 400)
	c.mu.Unlock()
	var worst string
	next.Apps, worst = st.roll.call()
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
	return c.writeEnvironment(ctx, env, st, next)
}

// writeEnvironment writes the status of an Environment.
func (c *controller) writeEnvironment(ctx context.Context, env *v1alpha1.Environment, st *environment, next v1alpha1.EnvironmentStatus) error {
	again, err := st.write(ctx, c, env, env.Status, next, st.status.ObservedGeneration == 0)
	if again {
		c.envQueue.after(env.Namespace, env.Name, conflictAgain)
	}
	return err
}

// settle finds out what the Environment says of itself, if that is not known for certain.
func (c *controller) settle(ctx context.Context, env *v1alpha1.Environment, st *environment) error {
	if !st.isDoubted(c, env.Status) {
		return nil
	}
	var live v1alpha1.Environment
	if err := c.reader.Get(ctx, client.ObjectKeyFromObject(env), &live); err != nil {
		return err
	}
	st.stored = read(live.Status, &live)
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
