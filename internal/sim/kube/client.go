package kube

import (
	"context"
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// Client returns a client that acts as a user, with a program of that name. Both may be empty.
func (s *Server) Client(user, agent string) dynamic.Interface { return client{s, user, agent} }

type client struct {
	server      *Server
	user, agent string
}

// Resource implements dynamic.Interface.
func (c client) Resource(gvr schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return resource{client: c, gvr: gvr}
}

// resource is the objects of a resource, in one namespace or in all.
type resource struct {
	client
	gvr       schema.GroupVersionResource
	namespace string
}

// Namespace implements dynamic.NamespaceableResourceInterface.
func (r resource) Namespace(ns string) dynamic.ResourceInterface {
	r.namespace = ns
	return r
}

func (r resource) request(verb, name string, dry bool, sub []string) Request {
	return Request{
		User: r.user, Agent: r.agent, Verb: verb, Resource: r.gvr, Subresource: strings.Join(sub, "/"), Namespace: r.namespace, Name: name, DryRun: dry,
	}
}

// target finds what a request is about.
func (r resource) target(q Request) (target, error) {
	k, err := r.server.find(r.gvr)
	if err != nil {
		return target{}, err
	}
	switch {
	case q.Subresource == "", q.Subresource == "status" && k.status != nil:
	case k.custom:
		return target{}, apierrors.NewNotFound(k.group(), q.Name)
	default:
		return target{}, unserved()
	}
	return target{kind: k, sub: q.Subresource, name: name{r.namespace, q.Name}}, nil
}

func (r resource) writing(manager, validation string, dry []string) writing {
	if manager == "" {
		manager, _, _ = strings.Cut(r.agent, "/")
	}
	if validation == "" {
		validation = metav1.FieldValidationWarn
	}
	return writing{manager: manager, validation: validation, dry: len(dry) > 0}
}

// write lets a request that answers with one object have its fate.
func (r resource) write(q Request, do func(target, Verdict) (*state, error)) (*unstructured.Unstructured, error) {
	return serve(r.server, q, func(v Verdict) (*unstructured.Unstructured, error) {
		t, err := r.target(q)
		if err != nil {
			return nil, err
		}
		out, err := do(t, v)
		if err != nil {
			return nil, err
		}
		return r.server.answer(out, t.kind), nil
	})
}

// Create implements dynamic.ResourceInterface.
func (r resource) Create(_ context.Context, obj *unstructured.Unstructured, o metav1.CreateOptions, sub ...string) (*unstructured.Unstructured, error) {
	q := r.request("create", obj.GetName(), len(o.DryRun) > 0, sub)
	return r.write(q, func(t target, _ Verdict) (*state, error) {
		if t.kind.review {
			return r.review(t.kind, obj)
		}
		return r.server.create(t, obj.Object, r.writing(o.FieldManager, o.FieldValidation, o.DryRun))
	})
}

// review answers whether the user has a right.
func (r resource) review(k *kind, obj *unstructured.Unstructured) (*state, error) {
	content, _, err := k.decode(obj.Object)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	out := r.server.memo.update(k, "", k.empty, newState(content, nil), r.writing("", "", nil).manager, r.server.now())
	at := func(f string) string {
		v, _ := out.at("spec", "resourceAttributes", f).(string)
		return v
	}
	asked := Request{
		User: r.user, Agent: r.agent, Verb: at("verb"), Namespace: at("namespace"), Name: at("name"), Subresource: at("subresource"),
		Resource: schema.GroupVersionResource{Group: at("group"), Version: at("version"), Resource: at("resource")},
	}
	out.edit("status")["allowed"] = r.server.o.Allow == nil || r.server.o.Allow(asked)
	return out, nil
}

// Update implements dynamic.ResourceInterface.
func (r resource) Update(_ context.Context, obj *unstructured.Unstructured, o metav1.UpdateOptions, sub ...string) (*unstructured.Unstructured, error) {
	if obj.GetName() == "" {
		return nil, errNameless
	}
	q := r.request("update", obj.GetName(), len(o.DryRun) > 0, sub)
	return r.write(q, func(t target, _ Verdict) (*state, error) {
		return r.server.replace(t, obj.Object, r.writing(o.FieldManager, o.FieldValidation, o.DryRun))
	})
}

// errNameless is what a real client says before it asks.
var errNameless = errors.New("name is required")

// UpdateStatus implements dynamic.ResourceInterface.
func (r resource) UpdateStatus(ctx context.Context, obj *unstructured.Unstructured, o metav1.UpdateOptions) (*unstructured.Unstructured, error) {
	return r.Update(ctx, obj, o, "status")
}

// Delete implements dynamic.ResourceInterface.
func (r resource) Delete(_ context.Context, name string, o metav1.DeleteOptions, sub ...string) error {
	if name == "" {
		return errNameless
	}
	q := r.request("delete", name, len(o.DryRun) > 0, sub)
	_, err := serve(r.server, q, func(Verdict) (*state, error) {
		t, err := r.target(q)
		if err != nil {
			return nil, err
		}
		return r.server.remove(t, o)
	})
	return err
}

// DeleteCollection implements dynamic.ResourceInterface.
func (r resource) DeleteCollection(_ context.Context, o metav1.DeleteOptions, which metav1.ListOptions) error {
	q := r.request("deletecollection", "", len(o.DryRun) > 0, nil)
	_, err := serve(r.server, q, func(Verdict) (*state, error) {
		t, err := r.target(q)
		if err != nil {
			return nil, err
		}
		f, err := newFilter(t.kind, r.namespace, which)
		if err != nil {
			return nil, err
		}
		for _, i := range r.server.items(f, r.server.revision) {
			t.name = i.key.name
			if _, err := r.server.remove(t, o); err != nil {
				return nil, err
			}
		}
		return nil, nil //nolint:nilnil // there is no one object to answer with
	})
	return err
}

// Get implements dynamic.ResourceInterface.
func (r resource) Get(_ context.Context, name string, _ metav1.GetOptions, sub ...string) (*unstructured.Unstructured, error) {
	if name == "" {
		return nil, errNameless
	}
	return r.write(r.request("get", name, false, sub), func(t target, v Verdict) (*state, error) { return r.server.get(t, v.AsOf) })
}

// List implements dynamic.ResourceInterface.
func (r resource) List(_ context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	q := r.request("list", "", false, nil)
	return serve(r.server, q, func(v Verdict) (*unstructured.UnstructuredList, error) {
		t, err := r.target(q)
		if err != nil {
			return nil, err
		}
		return r.server.list(t.kind, r.namespace, o, v)
	})
}

// Watch implements dynamic.ResourceInterface.
func (r resource) Watch(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
	q := r.request("watch", "", false, nil)
	deliver := r.server.o.Deliver
	var w *Watch
	t, err := serve(r.server, q, func(Verdict) (*stream, error) {
		var err error
		if w, err = r.server.watch(r.gvr, r.namespace, o); err != nil || deliver != nil {
			return nil, err
		}
		return r.server.stream(w), nil
	})
	if err != nil {
		return nil, err
	}
	if deliver != nil {
		return deliver(q, w), nil
	}
	context.AfterFunc(ctx, t.Stop)
	return t, nil
}

// Patch implements dynamic.ResourceInterface.
func (r resource) Patch(
	_ context.Context, name string, kind types.PatchType, data []byte, o metav1.PatchOptions, sub ...string,
) (*unstructured.Unstructured, error) {
	if name == "" {
		return nil, errNameless
	}
	verb := "patch"
	if kind == types.ApplyPatchType {
		verb = "apply"
	}
	return r.write(r.request(verb, name, len(o.DryRun) > 0, sub), func(t target, _ Verdict) (*state, error) {
		w := r.writing(o.FieldManager, o.FieldValidation, o.DryRun)
		if kind != types.ApplyPatchType {
			return r.server.patch(t, kind, data, w)
		}
		if o.FieldManager == "" {
			return nil, nameless()
		}
		return r.server.apply(t, data, w, o.Force != nil && *o.Force)
	})
}

// Apply implements dynamic.ResourceInterface.
func (r resource) Apply(
	ctx context.Context, name string, obj *unstructured.Unstructured, o metav1.ApplyOptions, sub ...string,
) (*unstructured.Unstructured, error) {
	data, err := obj.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return r.Patch(ctx, name, types.ApplyPatchType, data, o.ToPatchOptions(), sub...)
}

// ApplyStatus implements dynamic.ResourceInterface.
func (r resource) ApplyStatus(ctx context.Context, name string, obj *unstructured.Unstructured, o metav1.ApplyOptions) (*unstructured.Unstructured, error) {
	return r.Apply(ctx, name, obj, o, "status")
}

func nameless() error {
	return apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "PatchOptions"}, "", field.ErrorList{
		field.Required(field.NewPath("fieldManager"), "is required for apply patch"),
	})
}
