package render

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// originAnnotation is where Kustomize notes, if asked to, which file an object came from.
const originAnnotation = "config.kubernetes.io/origin"

// kustomize builds the kustomization of a directory.
func (r *renderer) kustomize(dir string) ([]object.Object, error) {
	g := newGraph(r.files)
	k, err := g.visit(dir, place{file: dir}, nil, false)
	if err != nil {
		return nil, err
	}
	keep := slices.Contains(k.spec.BuildMetadata, types.OriginAnnotations)
	if !keep {
		if k.checked, err = withOrigins(k.checked); err != nil {
			return nil, fmt.Errorf("render %s: %w", k.file, err)
		}
	}
	var built resmap.ResMap
	err = withSchema(g.ownSchema, func() error {
		built, err = build(g, k)
		return err
	})
	if err != nil {
		return nil, g.explain(k, err)
	}
	out := make([]object.Object, 0, built.Size())
	size := 0
	for _, res := range built.Resources() {
		o, n, err := g.object(k, res, keep)
		if err != nil {
			return nil, err
		}
		if size += n; size > r.files.limits.Bytes {
			return nil, place{file: k.file}.errorf("renders to more than %d MiB: split the app", r.files.limits.Bytes>>20)
		}
		out = append(out, o)
	}
	return out, nil
}

// withOrigins asks Kustomize to note where each object came from.
func withOrigins(kustomization []byte) ([]byte, error) {
	fields := map[string]any{}
	if err := json.Unmarshal(kustomization, &fields); err != nil {
		return nil, err
	}
	options, _ := fields["buildMetadata"].([]any)
	fields["buildMetadata"] = append(options, types.OriginAnnotations)
	return json.Marshal(fields)
}

// build runs Kustomize. A panic of it is an answer to these files, not a reason to stop.
func build(g *graph, k *kustomization) (m resmap.ResMap, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("Kustomize crashed: %v", p) //nolint:staticcheck // a name
		}
	}()
	options := krusty.MakeDefaultOptions() // plugins disabled
	options.LoadRestrictions = types.LoadRestrictionsNone
	options.Reorder = krusty.ReorderOptionUnspecified // the order of `kustomize build`
	return krusty.MakeKustomizer(options).Run(checkedFS{g}, path.Join(mount, k.dir))
}

// object converts one result and returns its size.
func (g *graph) object(k *kustomization, res *resource.Resource, keepOrigin bool) (object.Object, int, error) {
	at := g.origin(k, res)
	data, err := res.MarshalJSON()
	if err != nil {
		return object.Object{}, 0, fault.Newf(fault.Invalid, "%s: %s", at, oneLine(err))
	}
	content := map[string]any{}
	if err := utiljson.Unmarshal(data, &content); err != nil {
		return object.Object{}, 0, fault.Newf(fault.Invalid, "%s: %s", at, oneLine(err))
	}
	o := object.New(content).WithOrigin(at)
	if !keepOrigin {
		o = o.With(nil, "metadata", "annotations", originAnnotation)
		if m, ok := o.At("metadata", "annotations").(map[string]any); ok && len(m) == 0 {
			o = o.With(nil, "metadata", "annotations")
		}
	}
	return o, len(data), nil
}
