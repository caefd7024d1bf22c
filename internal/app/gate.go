package app

import "time"

// Gate is a condition that an app adds to the gates of its Environment: before its own releases, besides all of those. Exactly one of its kinds is set; they mean
// what they mean there.
type Gate struct {
	Name string // empty: it is called by its kind

	Approval *ApprovalGate
	Window   *WindowGate
	Freeze   *FreezeGate
	Soak     *SoakGate
	// CommitStatus is the name of a mark at the forge.
	CommitStatus string
}

// ApprovalGate waits for people. Where neither Users nor Groups are named, it is for anybody who may.
type ApprovalGate struct {
	Required      int // 0: one
	Users, Groups []string
	NotAuthor     bool
	ValidFor      time.Duration // 0: as long as the approval says
}

// WindowGate is open in every minute that Cron matches, or in every other.
type WindowGate struct {
	Cron, TimeZone string
	Deny           bool
}

// FreezeGate is closed from one date to another.
type FreezeGate struct{ From, Until, TimeZone, Reason string }

// SoakGate waits until the commit was healthy elsewhere for so long.
type SoakGate struct {
	Environment string
	For         time.Duration
}
