package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
)

// request is what was asked when an error came back.
type request struct {
	verb      string
	resource  object.Resource
	namespace string
	want      object.Object
	asked     bool // a render asked for it: nothing is written
}

// classify gives an error of the API server its kind, and a text that says what to do.
func (s *Session) classify(q request, err error) error {
	var status apierrors.APIStatus
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Transient, fmt.Errorf("the API server did not answer in time: %w", err))
	case !errors.As(err, &status):
		return fault.New(fault.Transient, plainNetwork(err))
	}
	st := status.Status()
	switch {
	case apierrors.IsForbidden(err):
		return s.forbidden(q, st)
	case apierrors.IsUnauthorized(err):
		return fault.New(fault.Denied, fmt.Errorf("the API server does not know Fairlead's credentials: %s", shorten(err.Error())))
	case apierrors.IsConflict(err):
		return fault.New(fault.Conflict, errors.New(shorten(err.Error())))
	case apierrors.IsInvalid(err) && q.verb == "get": // nothing was sent that could be: something on the way says so, and it says nothing of the object
		return fault.New(fault.Transient, errors.New(shorten(st.Message)))
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err), apierrors.IsMethodNotSupported(err),
		isTyped(st):
		return fault.New(fault.Invalid, refusal(st, q.want))
	case apierrors.IsNotFound(err):
		return notFound(q, st, err)
	}
	e := &fault.Error{Kind: fault.Transient, Err: errors.New(shorten(st.Message))}
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		e.After = min(max(0, time.Duration(seconds)*time.Second), longestDelay)
	}
	return e
}

// longestDelay bounds for how long an API server, or a webhook behind it, may ask to be left alone.
const longestDelay = 10 * time.Minute

// isTyped recognises an apply whose fields the schema does not have: API servers answer it with status 500.
func isTyped(st metav1.Status) bool {
	return strings.Contains(st.Message, "failed to create typed patch object") || strings.Contains(st.Message, "field not declared in schema") ||
		strings.Contains(st.Message, ".spec: expected") || strings.Contains(st.Message, "errors:\n  .") ||
		strings.Contains(st.Message, "failed to convert new object") // a value that the kind cannot hold, such as data of a Secret that is not base64
}

// noRight is how the RBAC authorizer words a refusal; admission plugins use the same status with other words.
var noRight = regexp.MustCompile(`User "([^"]*)" cannot (\S+) resource "([^"]*)"`)

func (s *Session) forbidden(q request, st metav1.Status) error {
	m := noRight.FindStringSubmatch(st.Message)
	switch {
	case m == nil && strings.Contains(st.Message, "because it is being terminated"):
		return fault.Newf(fault.Transient, "namespace %s is being deleted: waiting until it is gone", q.namespace)
	case m == nil && strings.Contains(st.Message, "while custom resource definition is terminating"):
		return fault.Newf(fault.Transient, "the CustomResourceDefinition of %s is being deleted: waiting until it is gone", q.resource.Kind)
	case m == nil && len(q.want.Veiled()) > 0:
		return fault.New(fault.Invalid, &plan.Refusal{Message: "is refused by an admission plugin or webhook" + kept})
	case m == nil:
		return fault.New(fault.Invalid, &plan.Refusal{Message: shorten(st.Message)})
	case m[2] == "impersonate":
		return fault.New(fault.Denied, fmt.Errorf("fairlead itself may not impersonate %s: apply the manifests of 'fairlead install' anew", s.ID.User()))
	}
	rights := allRights
	if q.asked {
		rights = "get, list, watch"
	}
	return fault.New(fault.Denied, &plan.Refusal{Message: s.missing(shorten(m[2]), q.resource, q.namespace, rights)})
}

// MissingRight says which right is missing and which rule would grant it.
func (s *Session) MissingRight(verb string, r object.Resource, namespace string) string {
	return s.missing(verb, r, namespace, allRights)
}

const allRights = "get, list, watch, create, patch, update, delete"

func (s *Session) missing(verb string, r object.Resource, namespace, rights string) string {
	where, kind := "in the whole cluster", "ClusterRole"
	if r.Namespaced && namespace != "" {
		where, kind = "in namespace "+namespace, "Role"
	}
	return fmt.Sprintf("%s may not %s %s %s; grant it with a %s rule: {apiGroups: [%q], resources: [%q], verbs: [%s]}",
		s.ID.User(), verb, r.Plural, where, kind, r.Group, r.Plural, rights)
}

func notFound(q request, st metav1.Status, err error) error {
	if d := st.Details; d != nil && d.Kind == "namespaces" && q.resource.Kind != "Namespace" {
		return fault.New(fault.Invalid, &plan.Refusal{
			Homeless: true,
			Message:  fmt.Sprintf("namespace %s does not exist: create it, put it into the app, or set spec.destination.createNamespace of the Environment", d.Name),
		})
	}
	return fault.New(fault.Transient, errors.New(shorten(err.Error())))
}

// typedField is how server-side apply words a field that the schema does not have or that has another type.
var typedField = regexp.MustCompile(`(?:^|[\s:])(\.[A-Za-z][^\s:]*): (field not declared in schema|expected .*|duplicate entries.*)`)

// unknownField is how strict validation words one.
var unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)

// refusal reads what is refused and why. The server's words may repeat a value: those about a Secret are kept back, and those about a field of another object
// that has a value of one.
func refusal(st metav1.Status, want object.Object) *plan.Refusal {
	r := describe(st)
	secret := want.Kind() == "Secret" || diff.Veils(want, r.Field)
	r.Immutable = isImmutable(st.Message)
	if r.Immutable {
		r.Message = immutable(r)
	}
	r.Field, r.Message = shorten(r.Field), shorten(r.Message)
	switch {
	case secret && r.Immutable:
		plain := cmp.Or(r.Field, "a field") + " is immutable"
		if when := plain + " when `immutable` is set"; r.Message != when {
			r.Message = plain
		}
	case secret:
		r.Message = r.Field + ": is not valid" + kept
		r.Message = strings.TrimPrefix(r.Message, ": ")
	}
	return &r
}

// kept says that there are words that are not shown.
const kept = " (the API server's words are not shown, since they may repeat a Secret's value)"

func describe(st metav1.Status) plan.Refusal {
	r := plan.Refusal{Message: st.Message}
	if m := typedField.FindStringSubmatch(st.Message); m != nil {
		r.Field, r.Schema = strings.TrimPrefix(m[1], "."), true
		r.Message = fmt.Sprintf("%s: %s", r.Field, plainType(m[2]))
		return r
	}
	if m := unknownField.FindStringSubmatch(st.Message); m != nil {
		r.Field, r.Schema = m[1], true
		r.Message = fmt.Sprintf("%s: unknown field", m[1])
		return r
	}
	if st.Details != nil && len(st.Details.Causes) > 0 {
		cause := st.Details.Causes[max(0, slices.IndexFunc(st.Details.Causes, func(c metav1.StatusCause) bool { return isImmutable(c.Message) }))]
		r.Field = cause.Field
		switch words := sizes(withoutDump(cause.Message)); r.Field {
		case "":
		case "[]": // how an API server prints the path of the whole object
			r.Field, r.Message = "", words
		default:
			r.Message = r.Field + ": " + words
		}
		if more := len(st.Details.Causes) - 1; more > 0 {
			r.Message += fmt.Sprintf(" (and %d more)", more)
		}
	}
	return r
}

// goValue is how server-side apply words a value of another type than the field has: as the Go program that it is prints it.
var goValue = regexp.MustCompile(`^expected (\S+)(?: \(.*\))?, got (?:&value\.valueUnstructured\{Value:(.*)\}|&\{(.*)\}|(\S+))$`)

// plainType says in the words of YAML what is wrong with the type of a value.
func plainType(words string) string {
	m := goValue.FindStringSubmatch(words)
	if m == nil {
		return strings.Replace(words, "field not declared in schema", "unknown field", 1)
	}
	wanted, got := m[1], m[2]+m[3]+m[4]
	scalar := false
	switch {
	case strings.HasPrefix(got, "map["):
		got = "a map"
	case strings.HasPrefix(got, "["):
		got = "a list"
	case m[4] == "":
		scalar = true
	case got == "string":
		got = "a string"
	}
	switch wanted {
	case "string":
		hint := ""
		switch {
		case !scalar:
			return "expected a string, got " + got
		case got == "true":
			hint = " (YAML reads y, yes and on as true)"
		case got == "false":
			hint = " (YAML reads n, no and off as false)"
		}
		return fmt.Sprintf("expected a string, got %s%s: write it in quotes", got, hint)
	case "numeric":
		wanted = "number"
	}
	return fmt.Sprintf("expected a %s, got %s", wanted, got)
}

// tooLong is how the server words a limit.
var tooLong = regexp.MustCompile(`^Too long: may not be more than (\d+) bytes$`)

// sizes says in MiB how large an object may be.
func sizes(message string) string {
	m := tooLong.FindStringSubmatch(message)
	if m == nil {
		return message
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 1<<20 || n%(1<<20) != 0 {
		return message
	}
	return fmt.Sprintf("larger than the API server's limit of %d MiB", n>>20)
}

// withoutDump leaves out a map or list that the server repeats: it is in Git already, and hides what is wrong with it.
func withoutDump(message string) string {
	rest, ok := strings.CutPrefix(message, "Invalid value: ")
	if !ok || rest == "" || rest[0] != '{' && rest[0] != '[' {
		return message
	}
	d := json.NewDecoder(strings.NewReader(rest))
	var value json.RawMessage
	if d.Decode(&value) != nil {
		return message
	}
	if words, ok := strings.CutPrefix(rest[d.InputOffset():], ": "); ok {
		return words
	}
	return message
}

// butFor is how the server words that all but a few fields are immutable. What follows is a dump of the object.
var butFor = regexp.MustCompile(`(?:for fields other than|may not change fields other than|immutable after creation except) ([^\n]+)`)

// immutable says in one clause what cannot be changed.
func immutable(r plan.Refusal) string {
	words := strings.TrimPrefix(r.Message, r.Field+": ")
	field := cmp.Or(r.Field, "a field")
	if m := butFor.FindStringSubmatch(words); m != nil {
		return fmt.Sprintf("%s is immutable but for %s", field, strings.NewReplacer("'", "", "`", "", ",", ", ", ", ", ", ").Replace(strings.TrimSuffix(m[1], " are forbidden")))
	}
	const plain = "field is immutable"
	if at := strings.LastIndex(words, plain); at >= 0 {
		return field + " is immutable" + words[at+len(plain):]
	}
	if strings.HasSuffix(words, "is immutable") {
		return field + " is immutable"
	}
	return fmt.Sprintf("%s is immutable (%s)", field, words)
}

// isImmutable recognises the words in which the API server's validations refuse a change of a field that was fine at creation.
func isImmutable(message string) bool {
	for _, words := range []string{
		"field is immutable", "is immutable", "may not be changed", "updates to statefulset spec for fields other than", "may not change once set",
		"cannot change roleRef", "pod updates may not change fields other than", "spec is immutable after creation", "field can not be changed",
	} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

// longest is how much of a server's message a person is shown: a refusal may repeat a whole object.
const longest = 600

// shorten makes one bounded line, fit for a terminal, of what a server says: a webhook behind it may say anything.
func shorten(message string) string {
	message = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(message, "?"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(message) > longest {
		return strings.ToValidUTF8(message[:longest], "") + "…"
	}
	return message
}

func plainNetwork(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("the API server cannot be reached: %w", err)
	}
	return err
}

func unstructuredOf(o object.Object) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: o.Content()}
}
