// Package report says in one line, and in a bounded status, how an app stands: a pass and what it found as phase, health, reason and conditions.
//
// It is pure: the time comes in, and equal findings give equal status, so that nothing is written when nothing changed.
//
// Invariant: Synced is said only of a revision whose clean render equals what is applied.
// Invariant: a status is bounded, however many objects an app has.
package report
