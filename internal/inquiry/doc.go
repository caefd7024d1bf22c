// Package inquiry reads from a cluster what an answer of package why asks for, with the rights of the person who asks.
//
//	i, err := inquiry.Open(config)
//	answer := i.Answer(ctx, why.Facts{Namespace: "shop", Name: "production-web"}, time.Now)
//
// It decides nothing. What is asked for together is read at the same time; a request that takes too long, or that is refused, is told as that and holds up
// nothing. How many requests there are follows from how deep the trouble lies, never from how many apps there are.
//
// Invariant: it only reads.
// Invariant: it ends: requests, their time, what they bring and how often is asked again are bounded.
package inquiry
