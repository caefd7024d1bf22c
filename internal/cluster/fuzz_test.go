package cluster

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// FuzzClassify: whatever an API server, or a webhook behind it, answers, the error has a kind, a bounded text in one line, and a bounded delay; and a refusal
// of a Secret does not repeat the server's words.
func FuzzClassify(f *testing.F) {
	const failed = "failed to create typed patch object (shop/a; apps/v1, Kind=Deployment): "
	for _, message := range []string{
		failed + `.data.x: expected string, got &value.valueUnstructured{Value:80}`, failed + `.spec.replica: field not declared in schema`,
		`strict decoding error: unknown field "spec.foo"`, `User "a" cannot impersonate resource "serviceaccounts"`, "field is immutable",
		`admission webhook "x" denied the request: ` + strings.Repeat("no ", 1000), "line\nbreak\x1b[1m\xff",
	} {
		for _, reason := range []metav1.StatusReason{metav1.StatusReasonInvalid, metav1.StatusReasonForbidden, metav1.StatusReasonTooManyRequests, metav1.StatusReasonInternalError, metav1.StatusReasonConflict} {
			data, err := json.Marshal(metav1.Status{
				Message: message, Reason: reason, Code: 422,
				Details: &metav1.StatusDetails{RetryAfterSeconds: 5, Causes: []metav1.StatusCause{{Field: "spec.x", Message: message}}},
			})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	const hidden = "correct-horse"
	f.Fuzz(func(t *testing.T, data []byte) {
		var st metav1.Status
		if json.Unmarshal(data, &st) != nil {
			return
		}
		err := new(Session).classify(request{verb: "apply", resource: object.Resource{GVK: object.GVK{Group: "apps", Version: "v1", Kind: "Deployment"}, Plural: "deployments"}, namespace: "shop"}, &apierrors.StatusError{ErrStatus: st})
		text := err.Error()
		if len(text) > 2000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\n\x1b") {
			t.Errorf("not one bounded line: %q", text)
		}
		if fault.KindOf(err) == fault.Internal {
			t.Errorf("nobody knows the kind of %q", text)
		}
		if d := fault.After(err); d < 0 || d > time.Hour {
			t.Errorf("wait for %s", d)
		}
		st.Message += hidden
		if st.Details != nil {
			for i := range st.Details.Causes {
				st.Details.Causes[i].Message += hidden
			}
		}
		if r := refusal(st, ofKind("Secret")); strings.Contains(r.Message, hidden) && !strings.Contains(r.Field, hidden) {
			t.Errorf("it tells a Secret's value: %q", r.Message)
		}
	})
}
