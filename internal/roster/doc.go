// Package roster is who the replicas of one Fairlead are, and which of them a thing belongs to.
//
// Each replica is a member: it has a Lease of its own, which says which members it knows. What belongs to whom follows from the names alone: of the members
// that a member knows, itself among them, the one with the highest score for a key has what the key names (rendezvous hashing), so that who comes or goes
// moves its own part and nothing else.
//
//	m, err := roster.Join(ctx, roster.Options{Leases: leases, Lasts: 15 * time.Second, …})
//	err = m.Wait(ctx) // until those who are there know it
//	if ctx, done, mine := m.Act(ctx, "app shop/prod-web"); mine { …; done() }
//	m.Leave()
//
// That two never act on one thing needs no agreement of all, but only that of any two members each knows the other:
//
//   - who comes makes its Lease, reads which others there are, and owns nothing until each of those says in its Lease that it knows the new one;
//   - who sees a new Lease lets go at once what goes to the new member, and says that it knows it when its last work on that has ended;
//   - who knows another knows it until that one's Lease is gone, and a Lease goes only when its holder stopped, or by others when it was not renewed for as
//     long as it lasts, in one conditional delete; its holder stops acting well before that, by its own clock, if it cannot renew it.
//
// Of two members that know each other, at most one finds itself first for a key, whoever else they know. [Roster] is these rules as a value: no I/O, no clock.
// [Member] is the thin shell around it that holds the Lease.
//
// Invariant: at no time do two members act on one key, as long as no clock runs a seventh faster or slower than it should. That clocks tell the same time is
// not needed. A process that was stopped in the middle of a request is beyond any lease: what it sends then is fenced by the ledger.
package roster
