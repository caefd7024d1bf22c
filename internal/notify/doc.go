// Package notify decides who is told what: which outcomes there are of how apps stand, which of them a Notifier tells, in which messages, when, and in what words.
//
//	events, again := notify.Events(app, now)            // what there is to tell of an App
//	st, again := notify.Note(notifier, events, now)     // what is new is in the status, before anything is sent
//	due, again := notify.Due(notifier, now)             // the messages to send now; each is Begun, sent, and Ended
//
// It does no I/O and has no clock. What was told is known from the Notifier's status alone, and what is to be told from the statuses of Apps: so a process that
// starts anew goes on where another one ended.
//
// Invariants:
//   - Of an app, a commit and an outcome one telling is noted, ever. What is older than status.since is noted no more.
//   - A telling is Sending in the status before it is sent. One that is Sending when nobody is at it may have come: who sends it again has to look, or to give it
//     the id that it had.
//   - A message is bounded, and so is the status.
package notify
