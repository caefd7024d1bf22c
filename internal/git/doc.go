// Package git keeps one bare mirror per repository URL and reads commits from it as source.Snapshots.
//
//	m, err := git.Open(dir, "https://git.example.com/shop/config.git", git.Options{})
//	resolved, err := m.Resolve(ctx, auth, []source.Ref{{Branch: "main"}})   // one ls-refs for all refs
//	fetched, err := m.Fetch(ctx, auth, …)                                   // one fetch for all that moved
//	snapshot, err := m.Snapshot(ctx, fetched[0].Commit)                     // local
//	err = m.Move(ctx, auth, git.Move{Branch: "stable", From: …, To: …})     // compare and swap, on the server
//
// It speaks the Git protocol itself, over HTTP and SSH, so that credentials never reach a command line, a refusal with
// Retry-After is seen, and every answer is bounded. What it receives goes to the git command, which checks and stores
// it; package odb reads it back. There is no work tree: no checkout, no hooks, no filters.
//
//	Resolve, Fetch ──▶ transport (HTTP, SSH) ──▶ wire ──▶ git index-pack ──▶ bare repository
//	Snapshot       ──▶ odb ──▶ git cat-file ◀──────────────────────────────────────┘
//	Merge, Restore ──▶ draft ──▶ git index-pack
//	Move           ──▶ transport ──▶ wire
//
// The first fetch of a ref takes its commit and that one's parents; later ones take what is new since, so that it can be
// told whether the ref was moved by force. A ref that was starts anew.
//
// The mirror is a cache. Whatever is wrong with it, because a process was killed or a disk is bad, it is made anew; a
// snapshot read in that moment fails with kind fault.Transient.
//
// Invariants: a commit that is in the mirror is there with all its files, since a pack is added as a whole or not at
// all; credentials are never printed and never sent to another host than that of the URL; a branch
// is moved only from the commit that the caller names, and none is ever deleted.
package git
