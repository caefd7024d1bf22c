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
func mergePatch(before, after []byte) ([]byte, error) {
	was, err := fieldsOf(before)
	if err != nil {
		return nil, err
	}
	is, err := fieldsOf(after)
	if err != nil {
		return nil, err
	}
	patch := []byte{'{'}
	write := func(name, value []byte) {
		if len(patch) > 1 {
			patch = append(patch, ',')
		}
		patch = append(append(append(patch, name...), ':'), value...)
	}
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && bytes.Compare(was[0].name, is[0].name) < 0:
			write(was[0].name, []byte("null"))
			was = was[1:]
		case len(was) == 0 || bytes.Compare(is[0].name, was[0].name) < 0:
			write(is[0].name, is[0].value)
			is = is[1:]
		default:
			if old, next := was[0].value, is[0].value; !bytes.Equal(old, next) {
				if old[0] == '{' && next[0] == '{' {
					if next, err = mergePatch(old, next); err != nil {
						return nil, err
					}
				}
				write(is[0].name, next)
			}
			was, is = was[1:], is[1:]
		}
	}
	return append(patch, '}'), nil
}

// textField is a field of a JSON object as text: its name with the quotes, and its value.
type textField struct{ name, value []byte }

// fieldsOf returns the fields of an object as Go's encoder writes it, without blanks, by name. It looks at no more than where each ends: statuses are written
// often, and decoding them whole takes several times as long.
func fieldsOf(text []byte) ([]textField, error) {
	if len(text) < 2 || text[0] != '{' {
		return nil, fmt.Errorf("%.20q is no JSON object", text)
	}
	var out []textField
	for at := 1; text[at] != '}'; {
		name := lengthOf(text[at:])
		begin := at + name + 1
		if begin >= len(text) {
			return nil, errCut
		}
		end := begin + lengthOf(text[begin:])
		if end >= len(text) || end == begin {
			return nil, errCut
		}
		out = append(out, textField{text[at : begin-1], text[begin:end]})
		if at = end; text[at] == ',' && at+1 < len(text) {
			at++
		}
	}
	slices.SortFunc(out, func(a, b textField) int { return bytes.Compare(a.name, b.name) })
	return out, nil
}

var errCut = errors.New("a JSON object that does not end")

// lengthOf is how long the JSON value is with which a text begins.
func lengthOf(text []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
		case depth == 0 && (c == ',' || c == ':' || c == '}' || c == ']'):
			return i
		}
	}
	return len(text)
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

// isDoubted reports whether the object has to be read before its status is written. Says is what the cache has: where others share the work, one that stood still
// may have written what it believed.
func (s *stored[S]) isDoubted(c *controller, says S) bool {
	return s.doubted || c.shared.Load() && !sameStatus(says, s.status)
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
