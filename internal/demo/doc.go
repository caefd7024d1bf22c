// Package demo shows Fairlead at work: a control plane, a Git server with a sample shop, the controller, and a tour of what it does, measured.
//
//	err := demo.Run(ctx, demo.Options{Out: os.Stdout, Program: "/path/of/fairlead", Devcluster: "/path/of/devcluster", Exit: true})
//
// The tour is the list in tour.go; each of its steps is one file. A step waits on watches, and asks again only for the history, which has none; it
// has a deadline. What it measures is the time between two things that it saw: the answer to its own request, or a push reaching the Git server, and the event of a watch.
//
// Everything that it starts ends with it, also when it is killed: see [Janitor].
package demo
