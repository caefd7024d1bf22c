// Package release decides how an app moves from one want to the next: whether it may, whether it has, and where it goes back to if it does not get well.
//
//	           ┌───────────── Superseded: Git wants something else, from any phase ─────────────┐
//	Planned ─▶ Gated ─▶ Applying ─▶ Progressing ─▶ Verifying ─▶ Succeeded ─▶ …                 ▼
//	                       │             │              │        (watched)              the next release
//	                       └─────────────┴──────┬───────┴────────────┘
//	                                            ├─▶ RollingBack ─▶ RolledBack   what went wrong is not tried again
//	                                            └─▶ Failed                      it stays as it is, and is kept so
//
// [Next] is a function of what was recorded, what is seen and the time. It does nothing: what it returns is recorded first, then the caller makes the cluster
// what [State.Released] says, and looks again. So a crash loses nothing, and what it decides depends on no order of events.
//
//	d := release.Next(state, release.Seen{Want: want, Ready: true, Applied: applied, Health: release.Progressing}, policy, now)
//	… record d.State and d.Records, then apply what d.State.Released names; look again at d.Again
//
// Invariants: from the first apply on a release ends by itself, within its deadline, whatever is seen. Another want supersedes it in one step. What was rolled
// back is never released again, unless a person says so. Released changes only to what Git wants, or to what was good before.
package release
