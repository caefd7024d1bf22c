// Package testkit starts what a test of the whole system needs, and talks to it: a control plane of bin/devcluster with Fairlead's resources and rights in
// it, a Git server on loopback, and the controller of bin/fairlead as a process of its own that acts under the rights that are shipped.
//
//	plane := testkit.Start(t, testkit.Options{})
//	git := testkit.StartGit(t, gitserver.Options{})
//	ctl := plane.Controller(t, testkit.ControllerOptions{})
//	shop := plane.Tenant(t, "shop", git)                  // namespace, ServiceAccount, Repository
//	git.Commit(t, "main", "first", gitserver.Write("apps/web/web.yaml", "…"))
//	shop.Environment(t, "prod", "apps/*", nil)
//	shop.Synced(t, ctl, "prod", "web")
//
// Everything ends with the test that started it. Nothing here sleeps: what has to come about is waited for, with a deadline, and a wait that fails says what
// was there instead.
//
// It is for tests only, and it never skips: a binary that is missing fails the test, which says how to build it.
package testkit
