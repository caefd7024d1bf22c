// Package install is what Fairlead needs in a cluster: its CustomResourceDefinitions, its rights, its Deployment; and how they get there.
//
// The manifests are files in manifests/, so that they can be read as what they are. They hold placeholders for what Options say.
//
//	objs, err := install.Objects(install.Options{Namespace: "fairlead-system", Image: "ghcr.io/fairlead-cd/fairlead:v1.0.0"})
//	err = install.Apply(ctx, client, objs, func(o *unstructured.Unstructured) { … })
//
// And how they go again: Removal takes Fairlead out of a cluster and touches nothing else.
//
// Invariant: Fairlead is granted what internal/controller asks of the API server as itself, and nothing else. Whatever it does to the objects of an app, it
// does as the ServiceAccount of the app's Environment. A test runs the controller under exactly these rights.
package install
