// Package why finds the first thing that is in the way of an app: on the way from Git to a healthy app it names the stage, the object, the event or log
// line behind it, and the remedy.
//
//	facts := why.Facts{Namespace: "shop", Name: "production-web"}
//	answer := why.Explain(facts, now)
//	for len(answer.Asks) > 0 { // what would make the answer better
//		facts.Take(ask, reply)…
//		answer = why.Explain(facts, now)
//	}
//	fmt.Print(answer.Text(now))
//
// The stages are a table: source, signature, render, preflight, hold, dependency, apply, health. The first that blocks is the answer, and nothing is asked
// about those after it. What the controller knows, the statuses of its objects say; what it does not look at, such as the Pods of a Deployment, is asked for,
// one level after the other, and no deeper than the answer needs: a healthy app takes three objects.
//
// It has no clock and no I/O. Whoever brings the replies may bring none: an answer is made from what is there.
//
// Invariant: Healthy is never said of what could not be read, nor of what a controller said that is gone.
// Invariant: what may not be read is told, and never guessed.
// Invariant: an answer is bounded, and holds nothing that a terminal would act upon.
package why
