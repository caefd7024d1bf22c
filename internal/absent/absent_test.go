package absent_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-cd/fairlead/internal/absent"
)

func TestAnswers(t *testing.T) {
	leases := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	worded := &apierrors.StatusError{ErrStatus: metav1.Status{
		Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound, Message: "the server could not find the requested resource",
	}}
	for name, c := range map[string]struct {
		err          error
		object, kind bool
	}{
		"nothing wrong":      {},
		"no such object":     {err: apierrors.NewNotFound(leases, "web"), object: true},
		"the same, wrapped":  {err: fmt.Errorf("read lease: %w", apierrors.NewNotFound(leases, "web")), object: true},
		"no Status, as told": {err: apierrors.NewGenericServerResponse(http.StatusNotFound, "GET", leases, "web", "404 page not found", 0, true), kind: true},
		"a Status in words":  {err: worded, kind: true},
		"the same, wrapped ": {err: fmt.Errorf("read lease: %w", worded), kind: true},
		"conflict":           {err: apierrors.NewConflict(leases, "web", errors.New("newer"))},
		"gone from history":  {err: apierrors.NewResourceExpired("too old")},
		"no API server":      {err: errors.New("connection refused")},
	} {
		t.Run(name, func(t *testing.T) {
			if got := absent.Object(c.err); got != c.object {
				t.Errorf("Object: %v, want %v", got, c.object)
			}
			if got := absent.Kind(c.err); got != c.kind {
				t.Errorf("Kind: %v, want %v", got, c.kind)
			}
			if got := absent.Ignore(c.err); (got == nil) != (c.object || c.err == nil) {
				t.Errorf("Ignore: %v", got)
			}
		})
	}
}
