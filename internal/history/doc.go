// Package history is what happened to apps, as records that nobody can change unseen, and what follows from them: what ran at a time.
//
//	r := history.Record{Time: now, Kind: history.Release, Namespace: "shop", Environment: "production", App: "web",
//		Key: "release shop/production/web 7 Applying", Serial: 7, Phase: string(release.Applying), Want: history.Version{Commit: "9f2c…", …}}
//	err := recorder.Record(r, done) // done is called when it is stored
//
// Who records keeps a record until it is stored, and sends it again if that is not known: the Key says that it is the same. A store puts records into one
// chain: each has the hash of the one before it in it ([Seal]), so that what is changed, removed, inserted or moved later is found ([Verify]).
//
// It does no I/O: package store keeps records, package outbox hands them over.
//
// Invariant: a record says what it changes by its Kind and Phase alone, whatever was before it. So what an app is like at a time follows from the last record
// of each Kind and Phase.
package history
