// Package kubetest is the contract of an API server, as Fairlead relies on it: what the real one answers, the simulated one must answer, too.
//
// A case is a file in testdata: requests, and the answers that the real server gave. The answers hold everything that a client can see, managedFields included;
// only what no client may count on is replaced by a name: uids, resourceVersions and addresses by the order in which they first appear, times by "time". So
// whether a write moved the resourceVersion is part of the contract, and its value is not.
//
//	func TestContract(t *testing.T) { kubetest.Run(t, "testdata/bare/*.txtar", server) }
//
// The tests of this package run the cases on a real control plane: those in testdata/bare on an API server alone, those in testdata/controllers on one with
// all its controllers. There, and only there, -update rewrites the answers: a change of them is a change of Kubernetes.
// TestRandom sends random requests to a real server and the simulated one, and makes a case that they answer differently as short as it can: -seeds says how
// many, -seed where to begin. What it found belongs into a case of its own.
package kubetest
