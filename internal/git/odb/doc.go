// Package odb reads the objects of a bare Git repository and shows a tree of them as a source.Tree.
//
// One long-lived `git cat-file` answers for all readers; what it answers is kept, parsed, under the object's id, so a
// directory that a commit did not touch costs a look into a map. Nothing is written and nothing is checked out.
//
//	store := odb.Open(func() *exec.Cmd { … git cat-file --batch-command --buffer … }, odb.Limits{})
//	commit, err := store.Commit("4b825dc6…")
//	files := store.Tree(commit.Tree)
//
// A repository is foreign input. What no honest one holds (names such as ".git" or "a/b", two names that differ in
// case alone, entries out of order) and what would exhaust memory is refused with kind fault.Invalid and the reason,
// but only when it is read: a refused directory does not concern an app that never looks into it.
//
// Invariants: an object is cached under the id it was asked for, so a cached value never changes; no input makes a
// parser panic; a path never leads out of the tree.
package odb
