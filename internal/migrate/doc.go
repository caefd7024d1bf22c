// Package migrate says in Fairlead's words what the objects of Flux and of Argo CD order: which repositories are followed, and which of their directories run
// where.
//
//	res := migrate.Flux(objs, migrate.Options{Environment: "production"})
//	res.Objects // Repositories and Environments
//	res.Files   // what has to be in Git besides: the directories of charts that stood in a HelmRelease
//	res.Notes   // what has no equal, and what to do about it
//
// It reads objects, and the tree that it is given, and returns values: no cluster, no secret. Who calls it renders what it asks for.
//
// Invariant: what is not understood is a note. A field of an object that nothing here reads is one.
// Invariant: equal input gives equal output, in whatever order the objects come.
//
// The meaning of the fields is that of their documentation: fluxcd.io/flux/components (source v1, kustomize v1, helm v2) and argo-cd.readthedocs.io
// (argoproj.io/v1alpha1).
package migrate
