package kube

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (s *Server) get(t target, asOf int64) (*state, error) {
	if asOf == 0 {
		asOf = s.revision
	}
	found := s.at(t.key(), asOf)
	if found == nil {
		return nil, apierrors.NewNotFound(t.kind.group(), t.name.name)
	}
	return found, nil
}

// filter is which objects of a kind a list or a watch is about.
type filter struct {
	kind      *kind
	namespace string // empty: all
	labels    labels.Selector
	fields    fields.Selector
}

func newFilter(k *kind, namespace string, o metav1.ListOptions) (filter, error) {
	f := filter{kind: k, namespace: namespace}
	var err error
	if f.labels, err = labels.Parse(o.LabelSelector); err != nil {
		return f, apierrors.NewBadRequest(err.Error())
	}
	if f.fields, err = fields.ParseSelector(o.FieldSelector); err != nil {
		return f, apierrors.NewBadRequest(err.Error())
	}
	for _, r := range f.fields.Requirements() {
		if r.Field != "metadata.name" && r.Field != "metadata.namespace" {
			return f, apierrors.NewBadRequest(fmt.Sprintf("field label not supported: %s", r.Field))
		}
	}
	return f, nil
}

// covers reports whether an object, in the state given, is one of those meant.
func (f filter) covers(k key, s *state) bool {
	if s == nil || k.resource != f.kind.group() || f.namespace != "" && k.name.namespace != f.namespace {
		return false
	}
	if !f.fields.Empty() && !f.fields.Matches(fields.Set{"metadata.name": k.name.name, "metadata.namespace": k.name.namespace}) {
		return false
	}
	return f.labels.Empty() || f.labels.Matches(labels.Set(s.GetLabels()))
}

// item is an object of a list.
type item struct {
	key   key
	state *state
}

// items are the objects that are meant as of a revision, by namespace and name.
func (s *Server) items(f filter, revision int64) []item {
	var out []item
	for n := range s.objects[f.kind.group()] {
		k := key{f.kind.group(), n}
		if st := s.at(k, revision); f.covers(k, st) {
			out = append(out, item{k, st})
		}
	}
	slices.SortFunc(out, func(a, b item) int { return a.key.name.compare(b.key.name) })
	return out
}

func (n name) compare(other name) int {
	return cmp.Or(cmp.Compare(n.namespace, other.namespace), cmp.Compare(n.name, other.name))
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.resource.Group, other.resource.Group), cmp.Compare(k.resource.Resource, other.resource.Resource), k.name.compare(other.name))
}

// token is where a list in pieces goes on.
type token struct {
	Revision        int64
	Namespace, Name string
}

func (t token) String() string {
	data, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func parseToken(text string) (token, error) {
	var t token
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil {
		return t, apierrors.NewBadRequest(fmt.Sprintf("invalid continue token: %v", err))
	}
	return t, nil
}

func (s *Server) list(k *kind, namespace string, o metav1.ListOptions, v Verdict) (*unstructured.UnstructuredList, error) {
	f, err := newFilter(k, namespace, o)
	if err != nil {
		return nil, err
	}
	revision, err := s.listedAt(o)
	if err != nil {
		return nil, err
	}
	if revision == s.revision && v.AsOf > 0 {
		revision = v.AsOf
	}
	all := s.items(f, revision)
	if o.Continue != "" {
		from, err := parseToken(o.Continue)
		if err != nil {
			return nil, err
		}
		i, _ := slices.BinarySearchFunc(all, name{from.Namespace, from.Name}, func(i item, n name) int { return i.key.name.compare(n) })
		all = all[i:]
	}
	out := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": k.apiVersion(), "kind": k.gvk.Kind + "List"}}
	metadata := map[string]any{"resourceVersion": strconv.FormatInt(revision, 10)}
	out.Object["metadata"] = metadata
	if o.Limit > 0 && int64(len(all)) > o.Limit {
		next := all[o.Limit].key.name
		metadata["continue"] = token{revision, next.namespace, next.name}.String()
		if o.LabelSelector == "" && o.FieldSelector == "" {
			metadata["remainingItemCount"] = int64(len(all)) - o.Limit
		}
		all = all[:o.Limit]
	}
	out.Items = make([]unstructured.Unstructured, 0, len(all))
	for _, i := range all {
		if v.Omit == nil || !v.Omit(i.key.name.namespace, i.key.name.name) {
			out.Items = append(out.Items, *s.answer(i.state, k))
		}
	}
	return out, nil
}

// listedAt is the revision as of which a list answers.
func (s *Server) listedAt(o metav1.ListOptions) (int64, error) {
	if o.Continue != "" {
		from, err := parseToken(o.Continue)
		if err == nil && from.Revision < s.compacted {
			err = expired("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.")
		}
		return from.Revision, err
	}
	if o.ResourceVersion == "" {
		return s.revision, nil
	}
	asked, err := parseRevision(o.ResourceVersion)
	switch {
	case err != nil:
		return 0, err
	case asked > s.revision:
		return 0, s.tooLarge(asked)
	case o.ResourceVersionMatch == metav1.ResourceVersionMatchExact && asked < s.compacted:
		return 0, expired("The resourceVersion for the provided list is too old.")
	case o.ResourceVersionMatch == metav1.ResourceVersionMatchExact:
		return asked, nil
	}
	return s.revision, nil
}

func parseRevision(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, apierrors.NewBadRequest("invalid resource version: " + field.Invalid(field.NewPath("resourceVersion"), text, err.Error()).Error())
	}
	return int64(n), nil
}

func expired(words string) error { return apierrors.NewResourceExpired(words) }

// tooLarge is the answer to who asks for what has yet to come.
func (s *Server) tooLarge(asked int64) error {
	err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", asked, s.revision), 1)
	err.ErrStatus.Code = http.StatusGatewayTimeout
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version"}}
	return err
}
