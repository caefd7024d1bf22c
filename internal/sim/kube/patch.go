package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// apply is a server-side apply.
func (s *Server) apply(t target, patch []byte, w writing, force bool) (*state, error) {
	live := s.live(t.key())
	from := live
	if live == nil {
		if t.sub != "" {
			return nil, apierrors.NewNotFound(t.kind.group(), t.name.name)
		}
		from = t.kind.empty
	}
	next, err := s.memo.apply(t.kind, t.sub, from, patch, w, force, s.now())
	if err != nil {
		return nil, err
	}
	if live == nil && next.GetUID() != "" {
		return nil, apierrors.NewConflict(t.kind.group(), t.name.name,
			fmt.Errorf("uid mismatch: the provided object specified uid %s, and no existing object was found", next.GetUID()))
	}
	if err := t.named(next); err != nil {
		return nil, err
	}
	if live == nil {
		return s.insert(t.kind, next, w.dry)
	}
	return s.store(t, live, next, w.dry)
}

// wanted reads the body of an apply, which may be YAML.
func wanted(patch []byte, w writing) (*unstructured.Unstructured, error) {
	want := &unstructured.Unstructured{Object: map[string]any{}}
	strict, err := kjson.UnmarshalStrict(patch, &want.Object)
	if err != nil {
		want.Object, strict = map[string]any{}, nil
		data, bad := yaml.YAMLToJSONStrict(patch)
		if bad != nil {
			if data, err = yaml.YAMLToJSON(patch); err != nil {
				return nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding YAML: %v", err))
			}
			strict = []error{bad}
		}
		if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &want.Object); err != nil {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding YAML: %v", err))
		}
	}
	if len(strict) > 0 && w.strict() {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("error strict decoding YAML: %v", strict[0]))
	}
	return want, nil
}

// named refuses an object that is not the one of the request.
func (t target) named(next *state) error {
	if err := t.place(next); err != nil {
		return err
	}
	switch got := next.GetName(); got {
	case t.name.name:
		return nil
	case "":
		next.edit("metadata")["name"] = t.name.name
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s based on URL) was undeterminable: name must be provided", t.name.name))
	default:
		return apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", got, t.name.name))
	}
}

// patch is a JSON patch or a merge patch.
func (s *Server) patch(t target, kind types.PatchType, patch []byte, w writing) (*state, error) {
	live := s.live(t.key())
	if live == nil {
		return nil, apierrors.NewNotFound(t.kind.group(), t.name.name)
	}
	if t.sub == "status" && t.kind.custom && kind == types.MergePatchType && s.o.Light != nil && s.o.Light(t.kind.group()) {
		return s.note(t, live, patch)
	}
	in, unknown, err := patched(kind, s.subject(live, t.kind, kind, patch), patch, w)
	if err != nil {
		return nil, err
	}
	managed, rest, err := split(in)
	if err != nil {
		return nil, invalidPatch(in, t.kind.wording(in, err).Error())
	}
	decoded, more, err := t.kind.decode(rest)
	if err != nil {
		return nil, invalidPatch(in, t.kind.wording(rest, err).Error())
	}
	if len(unknown)+len(more) > 0 && w.strict() {
		words := errors.Join(unknown...)
		if len(more) > 0 {
			words = errors.New(unknownFields(more))
		}
		return nil, invalidPatch(in, words.Error())
	}
	next := s.memo.update(t.kind, t.sub, live, newState(decoded, managed), w.manager, s.now())
	if err := t.named(next); err != nil {
		return nil, err
	}
	return s.store(t, live, next, w.dry)
}

// note stores the status of a kind of which no more is asked.
func (s *Server) note(t target, live *state, patch []byte) (*state, error) {
	var m map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(patch, &m); err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
	}
	below, _ := m["status"].(map[string]any)
	was, _ := live.Object["status"].(map[string]any)
	next := live.copied()
	next.Object["status"] = merge(was, below)
	if meta, _ := m["metadata"].(map[string]any); meta["resourceVersion"] != nil {
		put(next.edit("metadata"), "resourceVersion", meta["resourceVersion"])
	}
	if err := t.versioned(live, next); err != nil {
		return nil, err
	}
	if next.same(live) {
		return live, nil
	}
	s.commit(t.key(), live, next)
	return next, nil
}

// subject is the content to which a patch is applied: all of it, but for managedFields that the patch does not mention, which stay as they are.
func (s *Server) subject(live *state, k *kind, p types.PatchType, patch []byte) map[string]any {
	if p == types.JSONPatchType || bytes.Contains(patch, []byte("managedFields")) {
		return runtime.DeepCopyJSON(live.read(k.apiVersion(), s.memo))
	}
	content := shallow(live.Object)
	content["apiVersion"] = k.apiVersion()
	return content
}

func invalidPatch(after map[string]any, words string) error {
	data, err := json.Marshal(after)
	if err != nil {
		return err
	}
	return apierrors.NewInvalid(schema.GroupKind{}, "", field.ErrorList{field.Invalid(field.NewPath("patch"), string(data), words)})
}

// patched applies a patch to content, which is not changed. Strict are the faults that only strict validation refuses.
func patched(kind types.PatchType, content map[string]any, patch []byte, w writing) (out map[string]any, strict []error, err error) {
	switch kind {
	case types.JSONPatchType:
		var operations []struct{ Op, Path, From, Value any }
		if w.validation != metav1.FieldValidationIgnore {
			if err := kjson.UnmarshalCaseSensitivePreserveInts(patch, &operations); err != nil {
				return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
			}
		}
		p, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			return nil, nil, apierrors.NewBadRequest(err.Error())
		}
		data, err := json.Marshal(content)
		if err != nil {
			return nil, nil, err
		}
		if data, err = p.Apply(data); err != nil {
			return nil, nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
		}
		out, err = decodeJSON(data)
		return out, nil, err
	case types.MergePatchType:
		var m map[string]any
		strict, err = kjson.UnmarshalStrict(patch, &m)
		switch {
		case err == nil:
			return merge(content, m), strict, nil
		case w.validation == metav1.FieldValidationIgnore:
			return nil, nil, apierrors.NewBadRequest(jsonpatch.ErrBadJSONPatch.Error())
		}
		return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
	default:
	}
	return nil, nil, Error(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType,
		fmt.Sprintf("the simulated API server does not know patches of type %s", kind))
}

// merge lays a merge patch over content as the library does that API servers use: it knows that an array is not merged, and still takes the nulls out of one
// that is new.
func merge(content, patch map[string]any) map[string]any {
	out := shallow(content)
	for k, v := range patch {
		onto, isMap := out[k].(map[string]any)
		below, wantsMap := v.(map[string]any)
		switch {
		case v == nil:
			delete(out, k)
		case isMap && wantsMap:
			out[k] = merge(onto, below)
		case isMap:
			out[k] = v
		default:
			out[k] = withoutNulls(v)
		}
	}
	return out
}

// withoutNulls takes the fields out of a value that are null.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			if x != nil {
				out[k] = withoutNulls(x)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, x := range v {
			out = append(out, withoutNulls(x))
		}
		return out
	}
	return v
}

// decodeJSON reads an object as API servers do: whole numbers stay whole.
func decodeJSON(data []byte) (map[string]any, error) {
	var m map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &m); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return m, nil
}
