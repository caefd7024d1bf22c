// Package ledger keeps what an app claims and what was rendered for it, in Secrets in Fairlead's own namespace.
//
// A record is written before the first step of a sync and after its last: whatever dies in between, the next process knows what it may own. Records live
// beside Fairlead and not beside the app, so that a namespace that is deleted does not take the memory of what is in it along,
// and in Secrets because a bundle may hold Secrets.
//
// Invariant: a record is replaced only by a writer that has read it: two writers at once make one of them fail with a Conflict.
package ledger
