// Package cluster asks and changes an API server: which kinds it knows, a dry run, an apply, a read, a deletion.
//
// Everything done to an app's objects is done through a [Session], which impersonates the environment's ServiceAccount. Errors are classified here, once:
// a refusal that the user can mend is a *plan.Refusal, a missing right names the rule that would grant it, everything else has a fault kind.
//
// It never decides what to do, never retries, and never deletes without the uid and resourceVersion that were observed.
package cluster
