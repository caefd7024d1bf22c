// Package block is what Block mode refuses, as objects: the ValidatingAdmissionPolicies of one Environment, and their bindings.
//
//	for _, o := range block.Policies(block.Environment{Namespace: "shop", Name: "prod", Places: places}) { … }
//
// There are three, each with a binding: one looks at the owner mark of whatever is written. A Scale carries no labels, so that two more look at the Deployment
// or StatefulSet of which it is.
//
// It never talks to an API server. Which requests are refused is an expression in CEL, which the API server computes; the tests of this package read those
// expressions to a real one.
//
// Invariants:
//   - Equal environments give equal objects.
//   - The policies do nothing to requests for objects without an owner mark of the Environment's namespace.
//   - A policy of marks does nothing once its Environment is gone, is being deleted, or is no longer in Block mode: it asks the Environment itself. So nobody is
//     locked out while Fairlead does not run.
package block
