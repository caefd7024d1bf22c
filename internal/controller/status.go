package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	diff, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		return fmt.Errorf("compare status of %s: %w", obj.GetName(), err)
	}
	patch := fmt.Appendf(nil, `{"status":%s}`, diff)
	if ch.over != "" {
		patch = fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q},"status":%s}`, ch.over, diff)
	}
	return c.client.Status().Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch))
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
