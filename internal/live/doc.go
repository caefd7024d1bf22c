// Package live watches the objects that apps claim and remembers each as a compact entry.
//
// There is one watch per identity and kind, selected by the owner mark, across the cluster where the identity's rights allow, else per namespace. The
// client library's reflector lists, watches, resumes and lists again after a 410; this package only keeps what it brings.
//
// It never decides whether something is drift and never writes. It reports every entry that changed, once, to one function.
//
// Invariant: an entry is never replaced by an older resourceVersion, so that the answer to an own write, put by [Store.Put], is not undone by a late event.
// Invariant: an answer that comes late does not bring back an object whose deletion the watch has brought already.
// Invariant: absence is only said of a kind whose watch has delivered its whole first list.
package live
