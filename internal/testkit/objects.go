package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/util/jsonpath"
	sigsyaml "sigs.k8s.io/yaml"
)

// Objects reads and writes the objects of a cluster as an administrator, by the names that kubectl takes: "deployment/web", "apps.fairlead.dev/prod-web".
type Objects struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
	short  meta.RESTMapper
}

func openObjects(config *rest.Config) (*Objects, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	cached := memory.NewMemCacheClient(disco)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	return &Objects{client: client, mapper: mapper, short: restmapper.NewShortcutExpander(mapper, cached, nil)}, nil
}

// Client is the client behind.
func (o *Objects) Client() dynamic.Interface { return o.client }

// mapping finds a kind; it asks the server again before it says that there is none.
func (o *Objects) mapping(kind string) (*meta.RESTMapping, error) {
	find := func() (*meta.RESTMapping, error) {
		gr := schema.ParseGroupResource(kind)
		gvr, err := o.short.ResourceFor(gr.WithVersion(""))
		if err != nil {
			return nil, err
		}
		gvk, err := o.mapper.KindFor(gvr)
		if err != nil {
			return nil, err
		}
		return o.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	m, err := find()
	if err != nil {
		o.mapper.Reset()
		m, err = find()
	}
	return m, err
}

// at returns the client of KIND/NAME.
func (o *Objects) at(namespace, ref string) (dynamic.ResourceInterface, string, error) {
	kind, name, ok := strings.Cut(ref, "/")
	if !ok {
		return nil, "", fmt.Errorf("%q is not of the form KIND/NAME", ref)
	}
	m, err := o.mapping(kind)
	if err != nil {
		return nil, "", err
	}
	if m.Scope.Name() == meta.RESTScopeNameNamespace {
		return o.client.Resource(m.Resource).Namespace(namespace), name, nil
	}
	return o.client.Resource(m.Resource), name, nil
}

// Get reads KIND/NAME. IsNotFound tells an object, or a kind, that is not there from other errors.
func (o *Objects) Get(ctx context.Context, namespace, ref string) (*unstructured.Unstructured, error) {
	c, name, err := o.at(namespace, ref)
	if err != nil {
		return nil, err
	}
	return c.Get(ctx, name, metav1.GetOptions{})
}

// List reads all objects of a kind in a namespace.
func (o *Objects) List(ctx context.Context, namespace, kind string) ([]unstructured.Unstructured, error) {
	c, _, err := o.at(namespace, kind+"/")
	if err != nil {
		return nil, err
	}
	list, err := c.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// IsNotFound reports whether an error says that an object or its kind does not exist.
func IsNotFound(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

// Field reads one field of KIND/NAME as text, by a JSONPath; absent fields are empty.
func (o *Objects) Field(ctx context.Context, namespace, ref, path string) (string, error) {
	u, err := o.Get(ctx, namespace, ref)
	if err != nil {
		return "", err
	}
	return Field(u, path)
}

// Field reads one field as text, by a JSONPath with or without its braces; an absent field is empty.
func Field(u *unstructured.Unstructured, path string) (string, error) {
	if !strings.Contains(path, "{") {
		path = "{" + path + "}"
	}
	p := jsonpath.New("field").AllowMissingKeys(true)
	if err := p.Parse(path); err != nil {
		return "", fmt.Errorf("jsonpath %s: %w", path, err)
	}
	var b bytes.Buffer
	if err := p.Execute(&b, u.Object); err != nil {
		return "", fmt.Errorf("jsonpath %s: %w", path, err)
	}
	return b.String(), nil
}

// Apply makes the objects of a YAML stream as a test's own field manager does, each whole: it replaces nothing that others own.
func (o *Objects) Apply(ctx context.Context, namespace, text string) error {
	dec := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		u := &unstructured.Unstructured{}
		if err := dec.Decode(&u.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if len(u.Object) == 0 {
			continue
		}
		gvk := u.GroupVersionKind()
		m, err := o.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil {
			o.mapper.Reset()
			if m, err = o.mapper.RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
				return err
			}
		}
		var c dynamic.ResourceInterface = o.client.Resource(m.Resource)
		if m.Scope.Name() == meta.RESTScopeNameNamespace {
			if u.GetNamespace() == "" {
				u.SetNamespace(namespace)
			}
			c = o.client.Resource(m.Resource).Namespace(u.GetNamespace())
		}
		if _, err := c.Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "testkit", Force: true}); err != nil {
			return fmt.Errorf("apply %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
}

// Patch changes KIND/NAME as a field manager does with an update: a merge patch, or a JSON patch if it begins with "[". A subresource such as "scale" or
// "status" may be named.
func (o *Objects) Patch(ctx context.Context, manager, namespace, ref, patch, subresource string) error {
	c, name, err := o.at(namespace, ref)
	if err != nil {
		return err
	}
	kind := types.MergePatchType
	data := []byte(patch)
	if strings.HasPrefix(strings.TrimSpace(patch), "[") {
		kind = types.JSONPatchType
	} else if data, err = sigsyaml.YAMLToJSON(data); err != nil {
		return err
	}
	var sub []string
	if subresource != "" {
		sub = []string{subresource}
	}
	_, err = c.Patch(ctx, name, kind, data, metav1.PatchOptions{FieldManager: manager}, sub...)
	return err
}

// Create makes an object as a field manager does with a plain create.
func (o *Objects) Create(ctx context.Context, manager, namespace string, u *unstructured.Unstructured) error {
	gvk := u.GroupVersionKind()
	m, err := o.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return err
	}
	var c dynamic.ResourceInterface = o.client.Resource(m.Resource)
	if m.Scope.Name() == meta.RESTScopeNameNamespace {
		c = o.client.Resource(m.Resource).Namespace(namespace)
	}
	_, err = c.Create(ctx, u, metav1.CreateOptions{FieldManager: manager})
	return err
}

// Delete deletes KIND/NAME, without waiting until it is gone.
func (o *Objects) Delete(ctx context.Context, namespace, ref string) error {
	c, name, err := o.at(namespace, ref)
	if err != nil {
		return err
	}
	return c.Delete(ctx, name, metav1.DeleteOptions{})
}

// Print shows KIND/NAME as JSON without its managedFields, or why it cannot be shown.
func (o *Objects) Print(ctx context.Context, namespace, ref string) string {
	u, err := o.Get(ctx, namespace, ref)
	if err != nil {
		return err.Error()
	}
	u.SetManagedFields(nil)
	data, err := json.MarshalIndent(u.Object, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(data)
}
