package kube

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
)

// builtin is a kind that the server has from the start, and the Go type that says which fields it has.
type builtin struct {
	kind
	fresh    func() runtime.Object
	defaults func(runtime.Object)
}

// builtins are all of them. To add one is to add a line.
func builtins() []builtin {
	core := schema.GroupVersion{Version: "v1"}
	apps := appsv1.SchemeGroupVersion
	return []builtin{
		{
			kind: kind{
				gvk: core.WithKind("Namespace"), plural: "namespaces", short: []string{"ns"}, status: []string{"spec"}, unconditional: true,
				name: validation.NameIsDNSLabel, prepare: prepareNamespace,
			},
			fresh: func() runtime.Object { return &corev1.Namespace{} }, defaults: as(defaultNamespace),
		},
		{
			kind:  kind{gvk: core.WithKind("ConfigMap"), plural: "configmaps", short: []string{"cm"}, namespaced: true, unconditional: true, check: checkConfigMap},
			fresh: func() runtime.Object { return &corev1.ConfigMap{} },
		},
		{
			kind:  kind{gvk: core.WithKind("Secret"), plural: "secrets", namespaced: true, unconditional: true, check: checkSecret},
			fresh: func() runtime.Object { return &corev1.Secret{} }, defaults: as(defaultSecret),
		},
		{
			kind: kind{
				gvk: core.WithKind("Service"), plural: "services", short: []string{"svc"}, namespaced: true, unconditional: true, upserts: true, status: []string{"spec"},
				name: validation.NameIsDNSLabel, prepare: prepareService, check: checkService,
			},
			fresh: func() runtime.Object { return &corev1.Service{} }, defaults: as(defaultService),
		},
		{
			kind:  kind{gvk: core.WithKind("ServiceAccount"), plural: "serviceaccounts", short: []string{"sa"}, namespaced: true, unconditional: true},
			fresh: func() runtime.Object { return &corev1.ServiceAccount{} },
		},
		{
			kind:  kind{gvk: core.WithKind("Event"), plural: "events", short: []string{"ev"}, namespaced: true, unconditional: true, upserts: true},
			fresh: func() runtime.Object { return &corev1.Event{} },
		},
		{
			kind: kind{
				gvk: apps.WithKind("Deployment"), plural: "deployments", short: []string{"deploy"}, namespaced: true, unconditional: true,
				status: []string{"spec", "metadata.labels"}, generation: true, annotated: true, check: checkDeployment,
			},
			fresh: func() runtime.Object { return &appsv1.Deployment{} }, defaults: as(defaultDeployment),
		},
		{
			kind: kind{
				gvk: batchv1.SchemeGroupVersion.WithKind("Job"), plural: "jobs", namespaced: true, unconditional: true, status: []string{"spec"},
				generation: true, orphans: true, again: true, prepare: prepareJob, check: checkJob,
			},
			fresh: func() runtime.Object { return &batchv1.Job{} }, defaults: as(defaultJob),
		},
		{
			kind: kind{
				gvk: autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), plural: "horizontalpodautoscalers", short: []string{"hpa"},
				namespaced: true, unconditional: true, status: []string{"spec"},
			},
			fresh: func() runtime.Object { return &autoscalingv2.HorizontalPodAutoscaler{} }, defaults: as(defaultAutoscaler),
		},
		{
			kind:  kind{gvk: coordinationv1.SchemeGroupVersion.WithKind("Lease"), plural: "leases", namespaced: true, upserts: true},
			fresh: func() runtime.Object { return &coordinationv1.Lease{} },
		},
		{
			kind: kind{
				gvk: apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"), plural: "customresourcedefinitions",
				short: []string{"crd", "crds"}, status: []string{"spec", "metadata"}, generation: true, prepare: prepareDefinition,
			},
			fresh: func() runtime.Object { return &apiextensionsv1.CustomResourceDefinition{} }, defaults: as(defaultDefinition),
		},
		{
			kind:  kind{gvk: authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview"), plural: "selfsubjectaccessreviews", review: true},
			fresh: func() runtime.Object { return &authorizationv1.SelfSubjectAccessReview{} },
		},
	}
}

// as lets a function of one Go type take any object.
func as[T runtime.Object](f func(T)) func(runtime.Object) {
	return func(o runtime.Object) {
		if t, ok := o.(T); ok {
			f(t)
		}
	}
}

// builtinKinds makes them ready to serve, once: their schemas are large.
var builtinKinds = sync.OnceValues(func() ([]*kind, error) {
	types := applyconfigurations.NewTypeConverter(scheme.Scheme)
	defined, err := managedfields.NewTypeConverter(definitionModels(), false)
	if err != nil {
		return nil, fmt.Errorf("read the schema of CustomResourceDefinitions: %w", err)
	}
	var kinds []*kind
	var errs []error
	for _, b := range builtins() {
		k := &b.kind
		k.singular, k.versions = strings.ToLower(k.gvk.Kind), []string{k.gvk.Version}
		if k.name == nil {
			k.name = validation.NameIsDNSSubdomain
		}
		k.object, k.decode = b.fresh, b.decode
		empty, err := runtime.DefaultUnstructuredConverter.ToUnstructured(b.fresh())
		errs = append(errs, err)
		empty["apiVersion"], empty["kind"] = k.apiVersion(), k.gvk.Kind
		k.empty = newState(empty, nil)
		resets := map[string][]string{"": nil}
		if k.status != nil {
			resets = map[string][]string{"": {"status"}, "status": k.status}
		}
		with := types
		switch {
		case k.isDefinition():
			with = defined
		case k.review:
			with = managedfields.NewDeducedTypeConverter() // it is in no schema of client-go's
		}
		k.keepers, err = newKeepers(k, with, resets)
		errs = append(errs, err)
		kinds = append(kinds, k)
	}
	return kinds, errors.Join(errs...)
})

// decode passes content through the Go type.
func (b builtin) decode(in map[string]any) (map[string]any, []string, error) {
	obj := b.fresh()
	var unknown []string
	if s, ok := obj.(*corev1.Secret); !ok || !quickSecret(in, s) {
		obj = b.fresh()
		err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(in, obj, true)
		if strict, ok := runtime.AsStrictDecodingError(err); ok {
			for _, e := range strict.Errors() {
				unknown = append(unknown, strings.TrimSuffix(strings.TrimPrefix(e.Error(), `unknown field "`), `"`))
			}
		} else if err != nil {
			return nil, nil, err
		}
	}
	if b.defaults != nil {
		b.defaults(obj)
	}
	out, err := contentOf(obj)
	if err != nil {
		return nil, nil, err
	}
	out["apiVersion"], out["kind"] = b.apiVersion(), b.gvk.Kind
	return out, unknown, nil
}
