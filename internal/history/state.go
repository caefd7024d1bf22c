package history

import "time"

// State is what the records say of one app, or of an environment as a whole, at a time.
type State struct {
	Serial int       `json:"serial,omitempty"` // of its last release
	Phase  string    `json:"phase,omitempty"`  // that one's
	Since  time.Time `json:"since,omitzero"`   // of the phase
	Want   Version   `json:"want,omitzero"`    // what Git wanted
	Runs   Version   `json:"runs,omitzero"`    // what was to run, and ran as far as it was applied

	Pinned    bool  `json:"pinned,omitempty"` // it was rolled back: it runs what was good before, and what Git wants is not tried again
	Drifted   *Note `json:"drifted,omitempty"`
	Suspended *Note `json:"suspended,omitempty"`
}

// Note is since when something is so, by whom, and why.
type Note struct {
	Since time.Time `json:"since"`
	Who   string    `json:"who,omitempty"`
	Why   string    `json:"why,omitempty"`
}
