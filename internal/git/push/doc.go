// Package push adds a commit to a branch of a repository on a server, without a clone that anybody sees.
//
//	b, err := push.Open(ctx, push.Options{Dir: dir, URL: url, Branch: "main", Auth: auth})
//	tree, end, err := b.Tree(ctx)                                     // as the branch is now
//	commit, changed, err := b.Commit(ctx, files, "message")           // here alone
//	err = b.Push(ctx)                                                 // ErrMoved: somebody else was faster, open it again
//
// It uses the git command, and ssh, as a person does. Credentials that are given reach them by the environment, by an agent on a socket of its own, or by a file
// in the directory; never by a command line. Without any, the user's own configuration counts: helpers, keys, agents.
//
// Invariants: a branch is never forced and never deleted; credentials are in no error and no output.
package push
