// Package herald tells people what happens, by Events (events.k8s.io) about the objects that it happens to.
//
// The same thing is told by one Event: its name follows from the object, the reason and the words. If it comes again, whichever process tells it, the Event that is
// there counts it (as a series, which kubectl shows as "x3 over 5m") until the API server forgets it, which it does after an hour. So a process that starts again, and
// several that share the work, do not repeat each other.
//
// It never waits: what is told goes into a queue, and if that is full, nobody hears it. Events are for people; what must not be lost is in a status.
package herald
