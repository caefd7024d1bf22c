// Package helmrelease is what Helm would know of an app that is rendered from a chart: the revisions of its release, as Helm's own storage driver writes them into
// Secrets, so that `helm ls`, `helm history`, `helm get` and `helm status` tell of it.
//
//	tail, ended := helmrelease.After(state)                   // how the history has to end, by how the releases of the app stand
//	for _, ch := range helmrelease.Next(helmrelease.Input{…}) // what is to be written for that, in this order
//
// A revision is written when a release has ended, and never before: there is nothing that could stay pending. [Next] compares what is stored with what has to be
// stored, so whoever died between two writes is followed by one who makes the rest of them.
//
// It writes nothing itself. What it makes holds the values of the release in clear, as Helm has it: it is for Secrets alone, and is in no error.
//
// Invariants: after what Next returns is written, Next returns nothing. No record is pending. The newest [History] records stay, and the one that is deployed.
package helmrelease
