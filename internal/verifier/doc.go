// Package verifier tries releases: it asks what package verify judges, in the background, as often as it has to be asked.
//
//	v := verifier.New(ctx, verifier.Options{As: …, Kinds: …, Secret: …, Changed: wake})
//	v.Begin(verifier.Task{App: name, Serial: 12, Trials: trials, …})   // again and again: the same task goes on, another one supersedes it
//	verdict, why := v.Verdict(name, 12)                                // at once; Pending until there is one
//	v.Forget(name)                                                     // when nothing is to be verified any more
//
// Nothing of it is stored. Who dies begins the same task anew: what was passed in part has to be passed again, and the Job of the release is found by its name.
//
// It asks in two ways. Services, Pods, Jobs and objects are reached through the API server, as the environment's ServiceAccount: its rights bound that. A URL is
// asked from where this process runs, with its network and without anybody's rights; so only who may write the Environment can name one, an app's own
// declaration cannot. Addresses of the machine itself, of its link and of its cloud's metadata are never asked directly, whatever name leads there, since what
// listens there takes this process for somebody else. See [Public].
//
// Every request is bounded in time and in what is read of its answer, and follows no redirect; of one environment at most 20 are under way at once. No error
// holds a token or a query.
package verifier
