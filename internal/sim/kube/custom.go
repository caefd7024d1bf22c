package kube

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// customKinds returns how a CustomResourceDefinition is served, a kind for each served version.
func customKinds(crd *state) ([]*kind, error) {
	var def apiextensionsv1.CustomResourceDefinition
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(crd.Object, &def); err != nil {
		return nil, fmt.Errorf("read %s: %w", crd.GetName(), err)
	}
	var kinds []*kind
	for i := range def.Spec.Versions {
		if !def.Spec.Versions[i].Served {
			continue
		}
		k, err := customKind(&def, &def.Spec.Versions[i])
		if err != nil {
			return nil, fmt.Errorf("serve version %s of %s: %w", def.Spec.Versions[i].Name, def.Name, err)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

func customKind(def *apiextensionsv1.CustomResourceDefinition, v *apiextensionsv1.CustomResourceDefinitionVersion) (*kind, error) {
	names := def.Spec.Names
	k := &kind{
		gvk:    schema.GroupVersionKind{Group: def.Spec.Group, Version: v.Name, Kind: names.Kind},
		plural: names.Plural, singular: names.Singular, short: names.ShortNames,
		namespaced: def.Spec.Scope == apiextensionsv1.NamespaceScoped, custom: true, generation: true, name: validation.NameIsDNSSubdomain,
	}
	for _, other := range def.Spec.Versions {
		if other.Served {
			k.versions = append(k.versions, other.Name)
		}
	}
	resets := map[string][]string{"": nil}
	if v.Subresources != nil && v.Subresources.Status != nil {
		k.status = []string{"metadata", "spec"}
		resets = map[string][]string{"": {"status"}, "status": {"metadata", "spec"}}
	}
	k.empty = newState(map[string]any{"apiVersion": k.apiVersion(), "kind": k.gvk.Kind}, nil)
	shape, err := shapeOf(v)
	if err != nil {
		return nil, err
	}
	k.decode = func(content map[string]any) (map[string]any, []string, error) {
		return decodeCustom(k.gvk, shape, content)
	}
	k.merged = func(content map[string]any) map[string]any {
		out := runtime.DeepCopyJSON(content)
		fill(out, shape)
		return out
	}
	valid, ruled := newValidator(shape), hasRules(shape)
	k.check = func(next, old *state) field.ErrorList {
		errs := valid.check(next.Object)
		if old == nil || len(listtype.ValidateListSetsAndMaps(nil, shape, old.Object)) == 0 {
			errs = append(errs, listtype.ValidateListSetsAndMaps(nil, shape, next.Object)...)
		}
		if ruled && slices.ContainsFunc(errs, blocks) {
			errs = append(errs, field.Invalid(nil, nil,
				"some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"))
		}
		return errs
	}
	types, err := typesOf(k.gvk, shape)
	if err != nil {
		return nil, err
	}
	k.keepers, err = newKeepers(k, types, resets)
	return k, err
}

func shapeOf(v *apiextensionsv1.CustomResourceDefinitionVersion) (*structural.Structural, error) {
	if v.Schema == nil || v.Schema.OpenAPIV3Schema == nil {
		return &structural.Structural{Extensions: structural.Extensions{XPreserveUnknownFields: true}}, nil
	}
	var in apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, &in, nil); err != nil {
		return nil, err
	}
	return structural.NewStructural(&in)
}

// typesOf makes the schema by which fields of a custom kind are merged, as the API server does: that of the definition, and that of all metadata.
func typesOf(gvk schema.GroupVersionKind, shape *structural.Structural) (managedfields.TypeConverter, error) {
	root := shape.ToKubeOpenAPI()
	root.SetProperty("metadata", *spec.RefSchema(reference(metav1.ObjectMeta{}.OpenAPIModelName())))
	root.SetProperty("apiVersion", *spec.StringProperty())
	root.SetProperty("kind", *spec.StringProperty())
	isKind(root, gvk)
	models := map[string]*spec.Schema{gvk.Group + "." + gvk.Version + "." + gvk.Kind: root}
	for name, d := range definitionModels() {
		if strings.HasPrefix(name, "io.k8s.apimachinery.") {
			models[name] = d
		}
	}
	return managedfields.NewTypeConverter(models, false)
}

// isKind notes in a schema which kind it is of.
func isKind(s *spec.Schema, gvk schema.GroupVersionKind) {
	s.AddExtension("x-kubernetes-group-version-kind", []any{map[string]any{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind}})
}

func reference(name string) string { return "#/components/schemas/" + name }

// definitionModels are the schemas of CustomResourceDefinitions and of metadata.
var definitionModels = sync.OnceValue(func() map[string]*spec.Schema {
	all := openapi.GetOpenAPIDefinitions(func(name string) spec.Ref { return spec.MustCreateRef(reference(name)) })
	models := make(map[string]*spec.Schema, len(all))
	for name, d := range all {
		models[name] = &d.Schema
	}
	isKind(models[apiextensionsv1.CustomResourceDefinition{}.OpenAPIModelName()], apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	return models
})

// decodeCustom reads a custom object as the API server does: metadata by its type, the rest pruned and defaulted by the schema.
func decodeCustom(gvk schema.GroupVersionKind, shape *structural.Structural, in map[string]any) (map[string]any, []string, error) {
	out := runtime.DeepCopyJSON(in)
	out["apiVersion"], out["kind"] = gvk.GroupVersion().String(), gvk.Kind
	var unknown []string
	if m, ok := out["metadata"].(map[string]any); ok {
		var err error
		if out["metadata"], unknown, err = decodeMeta(m); err != nil {
			return nil, nil, err
		}
	}
	unknown = append(unknown, pruning.PruneWithOptions(out, shape, true, structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	pruneNulls(out, shape)
	fill(out, shape)
	slices.Sort(unknown)
	return out, unknown, nil
}

func decodeMeta(in map[string]any) (out map[string]any, unknown []string, err error) {
	var quick, meta metav1.ObjectMeta
	if quickMeta(in, &quick) {
		if out, ok := quickContent(&quick); ok {
			return out, nil, nil
		}
	}
	err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(in, &meta, true)
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		for _, e := range strict.Errors() {
			unknown = append(unknown, strings.Trim(strings.Replace(e.Error(), `unknown field "`, `metadata.`, 1), `"`))
		}
	} else if err != nil {
		return nil, nil, err
	}
	out, err = runtime.DefaultUnstructuredConverter.ToUnstructured(&meta)
	return out, unknown, err
}

// pruneNulls removes nulls where the schema neither allows them nor has a default.
func pruneNulls(x any, s *structural.Structural) {
	switch x := x.(type) {
	case map[string]any:
		for name, v := range x {
			if below := member(s, name); v == nil && below != nil && !below.Nullable && below.Default.Object == nil {
				delete(x, name)
			} else {
				pruneNulls(v, below)
			}
		}
	case []any:
		for _, v := range x {
			pruneNulls(v, items(s))
		}
	}
}

// fill puts defaults where there is nothing, or a null that the schema does not allow.
func fill(x any, s *structural.Structural) {
	if s == nil {
		return
	}
	switch x := x.(type) {
	case map[string]any:
		for name := range s.Properties {
			p := s.Properties[name]
			if v, has := x[name]; p.Default.Object != nil && (!has || v == nil && !p.Nullable) {
				x[name] = runtime.DeepCopyJSONValue(p.Default.Object)
			}
		}
		for name, v := range x {
			below := member(s, name)
			if v == nil && below != nil && !below.Nullable && below.Default.Object != nil {
				x[name] = runtime.DeepCopyJSONValue(below.Default.Object)
			}
			fill(x[name], below)
		}
	case []any:
		for i, v := range x {
			if v == nil && s.Items != nil && !s.Items.Nullable {
				x[i] = runtime.DeepCopyJSONValue(s.Items.Default.Object)
			}
			fill(x[i], s.Items)
		}
	}
}

func member(s *structural.Structural, name string) *structural.Structural {
	if s == nil {
		return nil
	}
	if p, ok := s.Properties[name]; ok {
		return &p
	}
	if s.AdditionalProperties != nil {
		return s.AdditionalProperties.Structural
	}
	return nil
}

func items(s *structural.Structural) *structural.Structural {
	if s == nil {
		return nil
	}
	return s.Items
}
