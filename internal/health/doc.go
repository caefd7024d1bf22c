// Package health says whether an object does its work: Healthy, Suspended, Progressing, Missing, Degraded or Unknown, with one line
// that says what it waits for or what is wrong.
//
//	rules, err := health.Compile(environment.Health, declaration.Health)
//	v := rules.Assess(live)                              // Progressing: 1 of 3 replicas updated
//	v = v.At(since, now, rules.Deadline())               // Degraded: not ready after 10m0s: 1 of 3 replicas updated
//
// Who decides, in this order:
//
//  1. An object that is being deleted is Progressing, and its finalizers are named.
//  2. The annotation argocd.argoproj.io/ignore-healthcheck: "true" makes it Healthy.
//  3. A user's rule for exactly its apiVersion and kind: CEL expressions over the variable object.
//  4. A built-in rule for its kind.
//  5. The conventions for conditions (Stalled, Reconciling, Ready, …).
//
// What may still come by itself is Progressing, and only [Verdict.At] turns it into Degraded: another object of the same app is often what
// it waits for. What no waiting changes (a Job that failed, an image that cannot be pulled) is Degraded at once.
//
// A rule's expression is standard CEL without matches, bounded in size and in work (some tens of milliseconds at most). What it reads of
// the object and is not there makes it false; any other error is Unknown, with the error. A status of an earlier generation is not
// shown to a rule, unless the rule mentions observedGeneration.
//
// It has no clock and no I/O, and never imitates a controller: it only reads what the status says. It uses no kstatus, which reads the
// clock for Pods, may panic on a malformed status, calls a running Job and a failed Pod current, and an unready resource in progress
// for ever; the tests compare every built-in verdict with it instead and print where and how we differ.
package health
