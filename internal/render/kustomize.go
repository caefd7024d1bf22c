package render

import (
	"fmt"
	"path"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/fairlead-cd/fairlead/internal/object"
)

// kustomize builds the kustomization of a directory.
func (r *renderer) kustomize(dir string) ([]object.Object, error) {
	objs, err := r.kustomized(dir)
	return r.files.rec.shownAs(objs, err)
}

func (r *renderer) kustomized(dir string) ([]object.Object, error) {
	g := newGraph(r)
	k, err := g.visit(dir, place{file: dir}, nil, false)
	if err != nil {
		return nil, err
	}
	if objs, done := k.gather(); done {
		return objs, nil
	}
	var built resmap.ResMap
	err = withSchema(g.ownSchema, func() error {
		built, err = build(g, k)
		return err
	})
	if err != nil {
		return nil, g.explain(k, err)
	}
	return r.convert(k, built)
}

// convert turns a result into objects, in the order in which Kustomize read them or was told to sort them.
func (r *renderer) convert(k *kustomization, built resmap.ResMap) ([]object.Object, error) {
	from := origins(k, built.Resources())
	out := make([]object.Object, 0, built.Size())
	size := 0
	for i, res := range built.Resources() {
		// Not by way of Kustomize's JSON: that makes a point in time of a date, which kubectl leaves as it is written.
		o, err := object.Made(from[i], res.YNode())
		if err != nil {
			return nil, err
		}
		if size += len(o.JSON()); size > r.files.limits.Bytes {
			return nil, place{file: k.file}.errorf("renders to more than %d MiB: split the app", r.files.limits.Bytes>>20)
		}
		out = append(out, o)
	}
	return out, nil
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
	options.Reorder = krusty.ReorderOptionNone // origins needs the order of reading
	return krusty.MakeKustomizer(options).Run(checkedFS{g}, path.Join(mount, k.dir))
}
