package kube

import (
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// target is what a request is about.
type target struct {
	kind *kind
	sub  string
	name name
}

func (t target) key() key { return key{t.kind.group(), t.name} }

// writing are the options that writes share.
type writing struct {
	manager    string // the field manager, or the program that asks
	validation string
	dry        bool
}

func (w writing) strict() bool { return w.validation == metav1.FieldValidationStrict }

// received is an object as it came in, decoded: managedFields apart, and what the kind does not know refused if the request wants that.
func (s *Server) received(t target, in map[string]any, w writing) (*state, error) {
	managed, rest, err := split(in)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if v, _ := rest["apiVersion"].(string); v != t.kind.apiVersion() {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: no kind %q is registered for version %q in scheme %q",
			t.kind.gvk.Kind, v, t.kind.gvk.Kind, t.kind.gvk.Kind, v, "pkg/runtime/scheme.go:111"))
	}
	if s.light(t.kind) {
		return newState(runtime.DeepCopyJSON(rest), nil), nil
	}
	decoded, unknown, err := t.kind.decode(rest)
	if err != nil {
		err = t.kind.wording(rest, err)
	}
	if err == nil && len(unknown) > 0 && w.strict() {
		err = errors.New(unknownFields(unknown))
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", t.kind.gvk.Kind, t.kind.gvk.Version, t.kind.gvk.Kind, err))
	}
	return newState(decoded, managed), nil
}

// split takes the managedFields out of content, which is not changed.
func split(in map[string]any) ([]metav1.ManagedFieldsEntry, map[string]any, error) {
	m, ok := in["metadata"].(map[string]any)
	list, has := m["managedFields"]
	if !ok || !has {
		return nil, in, nil
	}
	out, metadata := shallow(in), shallow(m)
	delete(metadata, "managedFields")
	out["metadata"] = metadata
	var meta metav1.ObjectMeta
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"managedFields": list}, &meta); err != nil {
		return nil, nil, err
	}
	return meta.ManagedFields, out, nil
}

// create stores an object that must not exist yet.
func (s *Server) create(t target, in map[string]any, w writing) (*state, error) {
	next, err := s.received(t, in, w)
	if err != nil {
		return nil, err
	}
	m := next.edit("metadata")
	for _, name := range []string{"creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"} {
		delete(m, name)
	}
	if err := t.place(next); err != nil {
		return nil, err
	}
	return s.insert(t.kind, s.managed(t, t.kind.empty, next, w), w.dry)
}

// place puts an object into the namespace of the request.
func (t target) place(next *state) error {
	m := next.edit("metadata")
	switch ns := next.GetNamespace(); {
	case !t.kind.namespaced:
		delete(m, "namespace")
	case ns == "":
		m["namespace"] = t.name.namespace
	case ns != t.name.namespace:
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	return nil
}

// insert stores a new object, whose fields are managed already.
func (s *Server) insert(k *kind, next *state, dry bool) (*state, error) {
	m := next.edit("metadata")
	if err := s.admit(k, next); err != nil {
		return nil, err
	}
	s.created++
	m["creationTimestamp"], m["uid"] = s.stamp(), fmt.Sprintf("00000000-0000-4000-8000-%012d", s.created)
	if prefix := next.GetGenerateName(); next.GetName() == "" && prefix != "" {
		m["name"] = prefix + fmt.Sprintf("%05d", s.created)
	}
	delete(m, "generation")
	if k.generation {
		m["generation"] = int64(1)
	}
	if k.status != nil {
		next.clear("status", k.empty)
	}
	if k.prepare != nil {
		k.prepare(s, next, nil, dry)
	}
	if err := k.validate(next, nil); err != nil {
		return nil, err
	}
	at := key{k.group(), name{next.GetNamespace(), next.GetName()}}
	if live := s.live(at); live != nil {
		err := apierrors.NewAlreadyExists(k.group(), next.GetName())
		if live.ending() {
			err.ErrStatus.Message = "object is being deleted: " + err.ErrStatus.Message
		}
		return nil, err
	}
	if next.GetResourceVersion() != "" {
		return nil, errors.New("resourceVersion should not be set on objects to be created")
	}
	if err := k.settle(next); err != nil {
		return nil, err
	}
	if !dry {
		s.commit(at, nil, next)
	}
	return next, nil
}

// settle makes of what is about to be stored what readers will see of it.
func (k *kind) settle(next *state) error {
	if !k.again && !next.coarse {
		return nil
	}
	read, _, err := k.decode(next.Object)
	if err != nil {
		return err
	}
	if !equal(read, next.Object) {
		next.stored, next.Object = next.Object, read
	}
	return nil
}

// clear makes a field what it is in a state without content.
func (s *state) clear(name string, empty *state) { put(s.Object, name, empty.Object[name]) }

// admit refuses an object for which there is no place.
func (s *Server) admit(k *kind, next *state) error {
	if k.custom && s.terminating(k) {
		return apierrors.NewForbidden(k.group(), next.GetName(), errors.New("create not allowed while custom resource definition is terminating"))
	}
	if !k.namespaced {
		return nil
	}
	ns := next.GetNamespace()
	live := s.live(key{namespaces, name{name: ns}})
	if live == nil {
		return apierrors.NewNotFound(namespaces, ns)
	}
	if live.at("status", "phase") != "Terminating" {
		return nil
	}
	err := apierrors.NewForbidden(k.group(), next.GetName(), fmt.Errorf("unable to create new content in namespace %s because it is being terminated", ns))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type: "NamespaceTerminating", Message: fmt.Sprintf("namespace %s is being terminated", ns), Field: "metadata.namespace",
	})
	return err
}

// replace is an update by a whole object.
func (s *Server) replace(t target, in map[string]any, w writing) (*state, error) {
	next, err := s.received(t, in, w)
	if err != nil {
		return nil, err
	}
	if err := t.place(next); err != nil {
		return nil, err
	}
	if got := next.GetName(); got != t.name.name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", got, t.name.name))
	}
	live := s.live(t.key())
	if live == nil && t.kind.upserts && t.sub == "" && next.GetUID() == "" {
		return s.insert(t.kind, s.managed(t, t.kind.empty, next, w), w.dry)
	}
	if live == nil && !t.kind.upserts {
		return nil, apierrors.NewNotFound(t.kind.group(), t.name.name)
	}
	if live == nil {
		live = t.kind.empty
	}
	if uid := next.GetUID(); uid != "" && uid != live.GetUID() {
		return nil, t.conflict("StorageError: invalid object, Code: 4, Key: "+"/registry/"+t.kind.plural+"/"+t.name.namespace+"/"+t.name.name+", ResourceVersion: 0, AdditionalErrorMsg: ", "UID", uid, live.GetUID())
	}
	return s.store(t, live, s.managed(t, live, next, w), w.dry)
}

// managed notes who owns which field of what is written over a live state, unless nobody asks for that.
func (s *Server) managed(t target, live, next *state, w writing) *state {
	if s.light(t.kind) {
		return next
	}
	return s.memo.update(t.kind, t.sub, live, next, w.manager, s.now())
}

// light reports whether the objects of a built-in kind are stored as they are written.
func (s *Server) light(k *kind) bool { return !k.custom && s.o.Light != nil && s.o.Light(k.group()) }

// conflict words a precondition that does not hold.
func (t target) conflict(prefix, what string, want, is types.UID) error {
	return apierrors.NewConflict(t.kind.group(), t.name.name, fmt.Errorf("%sPrecondition failed: %s in precondition: %v, %s in object meta: %v",
		prefix, what, want, what, is))
}

// store stores next over live, the fields of which are managed already. It returns what is live then, which is live itself if nothing changed.
func (s *Server) store(t target, live, next *state, dry bool) (*state, error) {
	k := t.kind
	if err := t.versioned(live, next); err != nil {
		return nil, err
	}
	s.carry(t, live, next, dry)
	if err := k.validate(next, live); err != nil {
		return nil, err
	}
	next.keepTimes(live)
	if live.ending() && len(next.GetFinalizers()) == 0 && !k.finalizing(next) && grace(live) == 0 {
		if !dry {
			s.commit(t.key(), live, nil)
		}
		return next, nil
	}
	if next.same(live) {
		return live, nil
	}
	if err := k.settle(next); err != nil {
		return nil, err
	}
	if !dry {
		s.commit(t.key(), live, next)
	}
	return next, nil
}

// versioned refuses to store over another version than the writer has seen.
func (t target) versioned(live, next *state) error {
	switch rv := next.GetResourceVersion(); rv {
	case live.GetResourceVersion():
		return nil
	case "":
		if t.kind.unconditional {
			next.edit("metadata")["resourceVersion"] = live.GetResourceVersion()
			return nil
		}
		return apierrors.NewInvalid(schema.GroupKind{Group: t.kind.gvk.Group, Kind: t.kind.plural}, t.name.name, field.ErrorList{
			field.Invalid(field.NewPath("metadata", "resourceVersion"), 0, "must be specified for an update"),
		})
	default:
		if _, err := strconv.ParseUint(rv, 10, 64); err != nil {
			return apierrors.NewBadRequest("invalid resource version: " + err.Error())
		}
		return apierrors.NewConflict(t.kind.group(), t.name.name,
			errors.New("the object has been modified; please apply your changes to the latest version and try again"))
	}
}

// carry keeps of live what the request may not change.
func (s *Server) carry(t target, live, next *state, dry bool) {
	k := t.kind
	if t.sub == "status" && k.custom {
		kept := live.copied()
		kept.managed = next.managed
		put(kept.Object, "status", next.Object["status"])
		next.Object = kept.Object
	}
	m, was := next.edit("metadata"), live.metadata()
	put(m, "generation", was["generation"])
	if t.sub == "status" {
		for _, f := range k.status {
			switch f {
			case "spec":
				put(next.Object, "spec", live.Object["spec"])
			case "metadata.labels":
				put(m, "labels", was["labels"])
			}
		}
	} else {
		if k.status != nil {
			put(next.Object, "status", live.Object["status"])
		}
		if k.prepare != nil {
			k.prepare(s, next, live, dry)
		}
		if k.changed(next, live) {
			generation, _ := was["generation"].(int64)
			m["generation"] = generation + 1
		}
	}
	if next.GetUID() == "" {
		m["uid"] = was["uid"]
	}
	m["creationTimestamp"] = was["creationTimestamp"]
	if was["deletionTimestamp"] != nil {
		m["deletionTimestamp"] = was["deletionTimestamp"]
	}
	if was["deletionGracePeriodSeconds"] != nil && m["deletionGracePeriodSeconds"] == nil {
		m["deletionGracePeriodSeconds"] = was["deletionGracePeriodSeconds"]
	}
}

// finalizing reports whether a state has finalizers apart from those in its metadata, as namespaces do.
func (k *kind) finalizing(s *state) bool {
	list, _ := s.at("spec", "finalizers").([]any)
	return k.isNamespace() && len(list) > 0
}

func grace(s *state) int64 {
	if n := s.GetDeletionGracePeriodSeconds(); n != nil {
		return *n
	}
	return 0
}
