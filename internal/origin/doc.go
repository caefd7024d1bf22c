// Package origin finds where a field of a rendered object is written: file, line and column in the source, also where Kustomize has put it together.
//
//	f := origin.New(origin.NewFiles(tree), "apps/web/production")
//	f.Find(deployment, object.PathOf("spec", "replicas"), origin.Value) // apps/web/production/kustomization.yaml:7:10
//
// An object is written in its own file; patches, images, replicas, labels and namespaces of kustomizations write over it, and a generator has no file of its
// own. The outermost that says the field has the last word, so it is what has to be changed. What no file says is at the nearest field above that one does.
//
// It looks, and does not render: where two files could be meant it may name the one that was written over. It never fails: at worst it knows the file.
package origin
