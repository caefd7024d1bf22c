// Package fleet is what all environments want at this moment: which apps there are, which are still to be read, who wants which object, and so what
// may be deleted.
//
// It answers the questions that no app can answer alone: is this object wanted elsewhere, has every app been read, would this commit delete too much.
// It does no I/O: the controller tells it what it read, and it tells the engine what follows.
//
// Invariant: while any app may still turn out to want an object, Census says so, and nothing is deleted.
package fleet
