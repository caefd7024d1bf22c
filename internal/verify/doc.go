// Package verify decides whether a release has proven itself: what an answer to a trial says, and what follows from all answers so far.
//
//	trials, err := verify.Compile(declared, verify.Place{App: "web", Namespace: "shop", Environment: "production"})
//	o := trials[0].OfHTTP(answer)            // Bad: answered 503 (want 200 to 299)
//	course = course.Observe(trials[0].Pace, o)
//	course.Verdict, trials[0].Why(course), course.Again(trials[0].Pace)
//	verdict, why := verify.Sum(results)      // of all trials: what the release machine wants to know
//
// It asks nobody and has no clock: package verifier does the asking, and says when which answer came.
//
// Invariants: what has passed or was refuted stays so. A trial passes only after it was good for as long as it has to be, of which only time counts in which it
// could be asked. It is refuted only by an answer that decides, by more failures than are forgiven, or by too many slow answers: never because somebody could
// not be asked. What it says is one line of at most 400 bytes, names no credentials, and repeats nothing of a body that was asked for directly.
package verify
