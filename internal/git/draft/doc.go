// Package draft makes commits that no server has yet, out of trees that are there: a merge, or a directory as it once was.
//
//	d := draft.New("sha1", store.Entries)
//	tree, err := d.Merge(base, ours, theirs)     // by paths: what only one side changed is as it has it
//	tree, err = d.Put(tree, "apps/web", entry)   // one path as it is elsewhere
//	commit := d.Commit(draft.Commit{Tree: tree, Parents: …, Message: "…", When: when})
//	pack := d.Pack()                             // what is new
//
// It reads and writes nothing by itself, and no content of files is ever looked at: who changed the same file on both sides is asked to settle that. Equal
// input makes an equal commit, so that what a process made before it was killed is made again, and is the same.
package draft
