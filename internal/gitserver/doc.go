// Package gitserver is a Git server over the real git command: for the demo, and for the tests of package git.
//
// It serves the bare repositories of one directory over HTTP and, if asked, HTTPS and SSH; it counts requests, can
// be told to fail, and tells a hook about pushes. It listens on loopback unless told otherwise.
//
//	srv, err := gitserver.Start(gitserver.Options{Dir: dir, Push: true, OnPush: func(p gitserver.Push) { … }})
//	repo, err := srv.Create(ctx, "shop")
//	commit, err := repo.Commit(ctx, "main", "first", gitserver.Write("apps/web/web.yaml", "…"))
//	// clone srv.URL("shop")
//
// [Repo] makes commits without a work tree. Its changes go into the repository directly, so they fire no hook: only
// what a client pushes does.
//
// It is no forge: there are no users, no rights but "may push", and no quota.
package gitserver
