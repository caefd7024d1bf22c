// Package kube simulates a Kubernetes API server in memory: what a client sees of one, and nothing else.
//
//	s := kube.New(kube.Options{Now: clock})
//	c := s.Client("system:serviceaccount:shop:deployer", "fairlead") // a dynamic.Interface
//	_, err := c.Resource(configMaps).Namespace("shop").Patch(ctx, "flags", types.ApplyPatchType, body, options)
//	s.Settle()                                                       // what controllers of every cluster would do by now
//	run := s.Fork(kube.Options{Now: clock})                          // the same world, which goes its own way
//
// It merges with the API server's own code, keeps managedFields with it, and checks custom objects with it. For the rest, it is held to what a real server
// answers by the contract of package kubetest, word for word, and by random requests to both. Where they differ, this package is wrong.
//
// It has a few built-in kinds (see builtins), and the ones that CustomResourceDefinitions define. Built-in kinds have the defaults and the checks that the
// tests of Fairlead meet, not all there are. Rules in CEL are not evaluated, strategic merge patches not known, versions of a custom kind not converted, and
// nothing has a status that nobody wrote.
//
// A request passes one seam, Options.Intercept, in which faults are put: it may be refused, its answer lost, a read answered as of long ago. What is written
// is in the history, by resourceVersion. A Watch is a place in it that its holder moves on.
//
// It never starts a goroutine, reads no clock but the one that it is given, and draws no random numbers: the same requests in the same order get the same
// answers, uids included. (The field managers do ask the machine's clock; what they took from it is replaced.)
//
// Invariant: the content of a stored state never changes. Invariant: the log has the changes of all revisions behind compacted, without a gap.
package kube
