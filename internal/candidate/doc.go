// Package candidate decides which commits an environment tries, and to which of them its branch is moved.
//
//	          ┌──────────────── Gone: its ref is gone, or names another commit ────────────────┐
//	Waiting ─▶ Rehearsing ─▶ Trying ─▶ Moving ─▶ Moved                                        ▼
//	   │           │            │         │        the branch has it                  the environment is at its branch
//	   └───────────┴────────────┴─────────┴─▶ Refused   and the branch has never moved
//
// A candidate is a commit that is not in the environment's branch yet. The apps that it changes are placed at it, and are released there like any other want:
// planned, gated, applied, verified, rolled back. When all of them have got well the branch is moved to it; when one has not, all of them are placed at the
// branch again.
//
// Where the environment asks for it, the apps are rehearsed before that: tried in namespaces that are made for it and deleted afterwards, while the environment
// stays as it is. Only what gets well there is placed.
//
// [Next] is a function of what was recorded, what is seen and the time. It does nothing: what it returns is recorded first, then the caller places the apps and
// moves the branch as the state says, and looks again.
//
// Invariants: the branch is moved only to what every app that it changes has got well with. No app is tried or rehearsed at two candidates at the same time, and
// who came first goes first; candidates that change different apps do not wait for each other. What was refused, or moved to and taken back from the branch, is
// not tried again, unless a person asks for it. That the branch was moved is said when the branch is seen to have it, whoever moved it.
package candidate
