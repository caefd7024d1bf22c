// Package restart finds the ConfigMaps and Secrets that a workload reads, and notes in its pod template a hash of what they hold: when they change, the template
// does, and the change is a rollout.
//
//	refs := restart.References(o, restart.All, "shop") // what the Deployment o reads, in its own namespace or in shop
//	o = restart.Mark(o, restart.Hash(key, settings))   // of what refs name, as it is now
//
// Workloads are what has a pod template that can be changed: Deployments, StatefulSets, DaemonSets, CronJobs, and Argo's Rollouts. The template of a Job cannot be.
// What is read is in volumes, projected ones included, and in the environment of all containers. Of an object of which only some keys are read, only those count.
//
// The annotations of Reloader (stakater.com) are understood, see [References].
//
// Invariants: equal settings have equal hashes; a hash is made with a key, so that who sees it cannot find out what a Secret holds by guessing.
package restart
