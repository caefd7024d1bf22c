package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-cd/fairlead/internal/absent"
	"github.com/fairlead-cd/fairlead/internal/fault"
)

// change is from one status of an object to the next.
type change struct {
	was, next any
	first     bool   // it says nothing yet
	over      string // the resourceVersion that the object has to have; empty: any
}

// patchStatus writes what is different between two statuses of an object. The first one is written whole, zeros included, so that counters show as 0 and not
// as nothing.
func (c *controller) patchStatus(ctx context.Context, obj client.Object, ch change) error {
	before := []byte("{}")
	if !ch.first {
		var err error
		if before, err = json.Marshal(ch.was); err != nil {
			return fmt.Errorf("encode status of %s: %w", obj.GetName(), err)
		}
	}
	after, err := json.Marshal(ch.next)
	if err != nil {
		return fmt.Errorf("encode status of %s: %w", obj.GetName(), err)
	}
	diff, err := mergePatch(before, after)
	if err != nil {
		return fmt.Errorf("compare status of %s: %w", obj.GetName(), err)
	}
	patch := fmt.Appendf(nil, `{"status":%s}`, diff)
	if ch.over != "" {
		patch = fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q},"status":%s}`, ch.over, diff)
	}
	return c.client.Status().Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch))
}

// mergePatch returns the merge patch that makes one object of another, both as Go's encoder writes them: no word of what is the same, null for what is gone.
func mergePatch(before, after json.RawMessage) (json.RawMessage, error) {
	var was, is map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(before, &was), json.Unmarshal(after, &is)); err != nil {
		return nil, err
	}
	patch := map[string]json.RawMessage{}
	for name := range was {
		if is[name] == nil {
			patch[name] = json.RawMessage("null")
		}
	}
	for name, next := range is {
		old := was[name]
		switch {
		case bytes.Equal(old, next):
		case len(old) > 0 && old[0] == '{' && next[0] == '{':
			below, err := mergePatch(old, next)
			if err != nil {
				return nil, err
			}
			patch[name] = below
		default:
			patch[name] = next
		}
	}
	return json.Marshal(patch)
}

// stored is the status of an Environment or a Repository as the API server has it, as far as this process knows.
type stored[S any] struct {
	status  S
	version string // the resourceVersion that had it: a write has to find that, or else somebody wrote it who may have known more, or less
	doubted bool   // a write failed, and may have been carried out: the object has to be read before the next
}

func read[S any](status S, of client.Object) stored[S] {
	return stored[S]{status: status, version: of.GetResourceVersion()}
}

// write writes the next status over the one that is known. Says is what the cache has. Again reports that somebody else wrote meanwhile.
func (s *stored[S]) write(ctx context.Context, c *controller, obj client.Object, says, next S, first bool) (again bool, err error) {
	if sameStatus(says, s.status) {
		s.version = obj.GetResourceVersion() // people may have written other parts of it
	}
	err = absent.Ignore(c.patchStatus(ctx, obj, change{was: s.status, next: next, first: first, over: s.version}))
	if s.doubted = err != nil; !s.doubted {
		s.status, s.version = next, obj.GetResourceVersion()
	}
	if apierrors.IsConflict(err) {
		return true, nil
	}
	return false, err
}

func stalled(err error) bool {
	if err == nil {
		return false
	}
	k := fault.KindOf(err)
	return k == fault.Invalid || k == fault.Denied
}

func sameMessage(conditions []metav1.Condition, message string) bool {
	c := meta.FindStatusCondition(conditions, "Ready")
	return c != nil && c.Message == message
}

// says reports whether the message of Ready holds a text.
func says(conditions []metav1.Condition, text string) bool {
	c := meta.FindStatusCondition(conditions, "Ready")
	return c != nil && strings.Contains(c.Message, text)
}

// setConditions writes Ready, Stalled and Reconciling by the usual conventions.
func setConditions(conditions *[]metav1.Condition, generation int64, now time.Time, ready, stalled bool, reason, message string) {
	for kind, is := range map[string]bool{"Ready": ready, "Stalled": stalled, "Reconciling": !ready && !stalled} {
		status := metav1.ConditionFalse
		if is {
			status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	slices.SortFunc(*conditions, func(a, b metav1.Condition) int { return strings.Compare(a.Type, b.Type) })
}
