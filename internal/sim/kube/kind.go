package kube

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"
)

// kind is how the server serves one version of a resource. It does not change once it serves, and servers share it.
type kind struct {
	gvk              schema.GroupVersionKind
	versions         []string // all that serve the same objects, this one included
	plural, singular string
	short            []string
	namespaced       bool
	custom           bool     // comes from a CustomResourceDefinition
	review           bool     // is answered and never stored
	status           []string // what a write of status leaves as it was; nil if there is no such subresource
	generation       bool     // metadata.generation counts the changes of spec
	annotated        bool     // and those of the annotations
	unconditional    bool     // an update without a resourceVersion is accepted
	upserts          bool     // an update of what does not exist creates it
	orphans          bool     // a deletion that does not say what becomes of dependents leaves them
	name             validation.ValidateNameFunc

	again bool // what is read has defaults that what was written had not

	object  func() runtime.Object // makes the Go type; nil for custom kinds
	empty   *state
	keepers keepers

	// decode makes content what the server would have read: what it does not know left out, and named, what is missing filled in. It does not change its argument.
	decode func(map[string]any) (content map[string]any, unknown []string, err error)
	// merged makes the result of an apply what the server makes of it before it is checked; nil: it decodes it. It does not change its argument.
	merged func(map[string]any) map[string]any
	// prepare completes what is about to be stored over old, which is nil at creation. May be nil.
	prepare func(s *Server, next, old *state, dry bool)
	// check says what is wrong with what is about to be stored over old, which is nil at creation. May be nil.
	check func(next, old *state) field.ErrorList
}

func (k *kind) apiVersion() string { return k.gvk.GroupVersion().String() }

func (k *kind) group() schema.GroupResource {
	return schema.GroupResource{Group: k.gvk.Group, Resource: k.plural}
}

// isNamespace reports whether the objects are the namespaces of the others.
func (k *kind) isNamespace() bool { return k.group() == namespaces }

func (k *kind) isDefinition() bool { return k.group() == definitions }

var (
	namespaces  = schema.GroupResource{Resource: "namespaces"}
	definitions = schema.GroupResource{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"}
)

// verbs are what discovery says may be done.
func (k *kind) verbs() metav1.Verbs {
	if k.review {
		return metav1.Verbs{"create"}
	}
	verbs := metav1.Verbs{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	if k.isNamespace() {
		return slices.DeleteFunc(verbs, func(v string) bool { return v == "deletecollection" })
	}
	return verbs
}

// validate returns the error with which the server refuses to store next over old, which is nil at creation.
func (k *kind) validate(next, old *state) error {
	var errs field.ErrorList
	at := field.NewPath("metadata")
	switch {
	case old == nil:
		errs = validation.ValidateObjectMetaAccessor(next, k.namespaced, k.name, at)
	case next.sameMetadata(old): // it was checked when it was stored
	default:
		errs = validation.ValidateObjectMetaAccessorUpdate(next, old, at)
	}
	if k.check != nil {
		errs = append(errs, k.check(next, old)...)
	}
	if len(errs) == 0 {
		return nil
	}
	slices.SortStableFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) }) // some come from maps
	return apierrors.NewInvalid(k.gvk.GroupKind(), next.GetName(), errs)
}

// sameMetadata reports whether the metadata is that of another state, but for the generation, which is the server's own matter, and times of managedFields.
func (s *state) sameMetadata(other *state) bool {
	a, b := s.metadata(), other.metadata()
	for name, v := range a {
		if is, has := b[name]; !has || name != "generation" && !equal(v, is) {
			return false
		}
	}
	return len(a) == len(b) && slices.EqualFunc(s.managed, other.managed, sameEntry)
}

// changed reports whether an update counts as a new generation.
func (k *kind) changed(next, old *state) bool {
	switch {
	case !k.generation:
		return false
	case k.custom:
		return !equal(withoutMetadata(next.Object), withoutMetadata(old.Object))
	}
	return !equal(next.Object["spec"], old.Object["spec"]) || k.annotated && !equal(next.at("metadata", "annotations"), old.at("metadata", "annotations"))
}

func withoutMetadata(content map[string]any) map[string]any {
	c := shallow(content)
	delete(c, "metadata")
	return c
}

// find returns the kind that serves a resource.
func (s *Server) find(gvr schema.GroupVersionResource) (*kind, error) {
	if k := s.kinds[gvr]; k != nil {
		return k, nil
	}
	return nil, unserved()
}

// unserved is what a client makes of the answer to a request for what the server does not have.
func unserved() error {
	return apierrors.NewGenericServerResponse(http.StatusNotFound, "", schema.GroupResource{}, "", "404 page not found", 0, true)
}

// wording is how the decoder of JSON, which API servers use, words what another decoder found.
func (k *kind) wording(in map[string]any, found error) error {
	what, into := any(in), any(&metav1.ObjectMeta{})
	if k.object == nil {
		what = in["metadata"]
	} else {
		into = k.object()
	}
	data, err := json.Marshal(what)
	if err == nil {
		err = kjson.UnmarshalCaseSensitivePreserveInts(data, into)
	}
	return cmp.Or(err, found)
}

// unknownFields is how a strict decoder words what it does not know.
func unknownFields(paths []string) string {
	words := make([]string, 0, len(paths))
	for _, p := range paths {
		words = append(words, fmt.Sprintf("unknown field %q", p))
	}
	return "strict decoding error: " + strings.Join(words, ", ")
}
