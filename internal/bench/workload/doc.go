// Package workload makes what the benchmark works with: W(N), one repository of N directories with a kustomization.yaml and five objects each.
//
//	w, err := workload.Parse("100")
//	files := w.Files()      // what is in Git
//	objects := w.Objects()  // the same as requests, for a loop that sends them without an engine
//
// An app is a directory apps/app-NNNN, and its objects live in the namespace of that name: two ConfigMaps, a Service, a ServiceAccount and a Deployment that
// runs nothing. A workload may also have few apps of many objects: several sets of five, told apart by a number in their names.
//
// Equal workloads have equal files. Nothing here talks to Git or to a cluster.
package workload
