// Package plan is the steps from what is live to what is wanted, and those held back and why: a plain value.
//
// [Compute] is pure and total: equal inputs give equal plans; it sends nothing, reads no clock, logs nothing and returns no error.
// What the API server would do to an object is observed by dry runs and given to it as a [Sighting].
//
//	p := plan.Compute(in)
//	fmt.Print(p)              // the same text for a terminal, a pull request, a test
//	for _, s := range p.Next() // the first batch whose predecessors are healthy
//
// Invariants:
//   - nothing is deleted that the app does not claim and whose live owner mark does not agree;
//   - nothing is deleted, and no claim dropped, unless the want comes from a successful render;
//   - if any object is refused, Next holds no step of the want: only repairs towards what was applied before;
//   - a claim is in Claims before any step of Next touches its object;
//   - no step comes before the batch it depends on is applied and healthy.
package plan
