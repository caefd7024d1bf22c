// Package lookout answers what renders ask of a cluster, and tells which apps a change out there concerns.
//
//	asking := l.For(ctx, identity, beyond)                       // of one render: it sees one world
//	res, err := render.Render(render.Request{…, Outside: asking})
//	l.Hold(owner, asking, res.Asked.Questions())                 // from now on these are watched, and no others of the app's
//	…
//	if l.Doubts(owner) { changed, err := res.Asked.Changed(l.For(ctx, identity, beyond)) }
//
// An object is read once, as the ServiceAccount that the app is applied by, and watched by its name for as long as an app holds the answer. As long as the
// watch has brought nothing newer, asking again costs nothing; and so a render of a large app with many questions sends no request.
//
// Invariants:
//   - An answer is what the API server said, or there is none. That an object is not there is an answer; that it may not be read, or could not be, is an error.
//   - Whatever changes after an answer was given is told: the watch begins after the object was read, and what it lists first is compared with what was read.
//   - Nobody is asked while nothing changes, except for what may be read and not watched: that is read again after [BlindAgain].
//
// It keeps what it was told of Secrets in memory, and prints nothing of it.
package lookout
