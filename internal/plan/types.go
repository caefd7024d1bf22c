package plan

import (
	"strings"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/fingerprint"
	"github.com/fairlead-cd/fairlead/internal/health"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/order"
)

// Input is everything a plan depends on. Equal inputs give equal plans.
type Input struct {
	App app.Name
	// Rendered says that Want is what Git says: a successful render. Without it nothing but repairs is planned.
	Rendered bool
	// Want is the rendered objects, placed in their namespaces and marked, in the batches in which they must come.
	Want []order.Batch
	// Seen has a sighting for every key of Want and of Claims.
	Seen   map[object.Key]Sighting
	Claims app.Claims
	Policy app.Policy
	// Census is what the whole environment says about deletions.
	Census Census
	// Approved is the HoldID that a person approved, if any.
	Approved string
	// Held is the HoldID of the plan before this one, as it was shown.
	Held string
	// Back says that the plan takes a release back. What that had found in the cluster is not deleted for it.
	Back bool
	// Blocked is why the want may not be applied now (it waits for another app, say). Repairs go on.
	Blocked string
	// Hooks are the objects of the want that releases run.
	Hooks Hooks
}

// State is what is known of an object in the cluster.
type State uint8

// The states of a sighting.
const (
	// Unknown could not be observed: nothing is decided about the object.
	Unknown State = iota
	// Current is live exactly as it was applied last: no request was needed to know.
	Current
	// Absent is known not to exist.
	Absent
	// Present exists; Live holds it.
	Present
)

// Sighting is one object as the API server described it.
type Sighting struct {
	State State
	// Why says why the state is Unknown, or, with Deferred, what the object has to wait for.
	Why string
	// Deferred says that the API server cannot be asked yet: the object's namespace or kind is made by an earlier batch.
	Deferred bool
	// Live is set for Present.
	Live object.Object
	// Predicted is the answer of a server-side dry run of the want; zero if none was needed.
	Predicted object.Object
	// Refusal is why the dry run was refused; nil if it was not.
	Refusal *Refusal
	// Drifted says that somebody changed, removed or added to what was applied; Edit says who and what.
	Drifted bool
	Edit    fingerprint.Edit
	// Applied is what was applied last, where that is known and Drifted is set.
	Applied object.Object
	// Health is the verdict on the live object.
	Health health.Verdict
	// Ended is the health of an object that has done its work and is removed by the cluster itself, or was: see health.Ended.
	Ended health.Status
	// Contested is why a drifted object is left alone for now: somebody keeps changing it back. Empty: it is not.
	Contested string
	// Rival is the app that owns the live object, if that is another one which still exists and wants it.
	Rival app.Owner
	// Late says of a hook of a deletion that it has not ended in the time that an object has.
	Late bool
}

// Refusal is why the API server, or a policy in it, does not accept an object.
type Refusal struct {
	Message string
	// Field is the field that is refused, such as "spec.selector"; empty if the server named none.
	Field string
	// Immutable says that the field cannot be changed on an existing object. Then the message is a clause that says so, "spec.selector is immutable".
	Immutable bool
	// Schema says that the object does not fit the schema of its kind: trying it again cannot help.
	Schema bool
	// Homeless says that the object's namespace does not exist.
	Homeless bool
	// At is the file and line that say it, where known.
	At string
}

// Error makes a refusal an error, for the way from the API server to the sighting.
func (r *Refusal) Error() string { return r.Message }

// Census is what a whole environment says about the deletions of one app.
type Census struct {
	// Waiting says why deletions must wait: other apps of the environment have not been read at this commit yet. Empty: complete.
	Waiting string
	// Over says that the deletions exceed the environment's budget, and by which rule. Empty: within.
	Over string
	// Ends says that the whole environment is being deleted: what is not certainly the app's own is left where it is.
	Ends bool
	// Budget identifies that budget.
	Budget string
	// Elsewhere are the keys that another app wants now: they are handed over.
	Elsewhere map[object.Key]app.Owner
	// Foreign are those of them whose new app is another process's, which takes nothing that is not let go.
	Foreign map[object.Key]bool
	// Suspect are the keys that a broken app may want, and why that is thought.
	Suspect map[object.Key]string
}

// Action is what a step does.
type Action string

// The actions. Their text is what people read.
const (
	Create  Action = "create"
	Update  Action = "update"
	Adopt   Action = "adopt"   // update an object that Fairlead did not make, taking over its earlier managers
	Repair  Action = "repair"  // apply again what somebody changed
	Replace Action = "replace" // delete and create anew
	Delete  Action = "delete"
	Run     Action = "run" // make a hook anew, for a release
)

// Step is one thing to do to one object.
type Step struct {
	Do     Action
	Key    object.Key
	Object object.Object // what to apply; zero for Delete
	Live   object.Object // what is live, where it was observed
	// Takeover says that other managers' entries have to be merged into Fairlead's first.
	Takeover bool
	Wave     int
	Tier     int // steps of one tier may run side by side, tiers run one after the other
	// Run is the run that a hook is made for, or that was its last one when it is deleted for having ended.
	Run string
	// Print is the fingerprint that a dry run foretells; empty if there was none.
	Print string
	// Why is the one-line reason: the changed fields, the edit that is undone.
	Why     string
	Changes []diff.Change
	Edit    fingerprint.Edit
}

// Held is a step that waits for a person.
type Held struct {
	Step   Step
	Reason string // why
	// Advice is what to do about it where no approval helps and the reason does not say it; may be empty.
	Advice string
	// Approve is the command that lets it go, with all others of the same HoldID; empty if no approval does.
	Approve string
}

// What is what is held: the step, or, since Fairlead would not replace an object unasked, the object alone.
func (h Held) What() string {
	if h.Step.Do == Replace {
		return h.Step.Key.String()
	}
	return string(h.Step.Do) + " " + h.Step.Key.String()
}

// approveWith stands between a reason and the command that lets the step go.
const approveWith = "; approve with: "

// Text is why a step is held and how to let it go.
func (h Held) Text() string {
	switch {
	case h.Approve != "":
		return h.Reason + approveWith + h.Approve
	case h.Advice != "":
		return h.Reason + ": " + h.Advice
	}
	return h.Reason
}

// WithoutCommand takes the command away from what Text said, and says whether there was one.
func WithoutCommand(text string) (reason string, approvable bool) {
	if at := strings.LastIndex(text, approveWith); at >= 0 {
		return text[:at], true
	}
	return text, false
}

// Note is an object and what is to be said of it.
type Note struct {
	Key  object.Key
	Text string
	At   string // file and line, where known
	// Field is the field that the text is about, as the API server writes it; empty if it is about the whole object.
	Field string
}

// Batch is the steps that may run together, and what its objects still lack before the next batch may run.
type Batch struct {
	Wave      int
	Early     bool
	Moment    app.Moment // of hooks; empty for objects that are applied
	Steps     []Step
	Unsettled []Note
	// Pending counts the objects about which nothing can be decided yet.
	Pending int
}

// Plan is what to do, in order, and what not to do, and why.
type Plan struct {
	App     app.Name
	Batches []Batch
	Repairs []Step
	Deletes []Batch
	// After are hooks that are run when all else is applied and healthy, Failed those of a release that failed, and Spent deletions of hooks that have ended.
	After, Failed []Batch
	Spent         []Step
	// Broken is the hook that failed, so that nothing more of the release is applied; the zero Note if none did.
	Broken Note
	// Reported is drift that the policy leaves in place.
	Reported []Step
	// Contested are hand edits that are not undone for now, because they keep coming back.
	Contested []Note
	Held      []Held
	Refused   []Note
	Waiting   []Note
	// Leaving are objects that another app is to take over. Nothing of this app waits for that, and neither does who waits for this app: it may be that one.
	Leaving []Note
	// Kept are objects that leave the app without being deleted: handed over, or marked to be kept.
	Kept []Note
	// Claims is what to record before the first step.
	Claims app.Claims
	// HoldID names exactly the deletions that are held now; empty if none is.
	HoldID string
	// Blocked is why no step of the want runs; empty if they may.
	Blocked string
	// Suspended says that no step at all may run.
	Suspended bool
	// Unread says that what Git wants is not known: the plan is about what was applied.
	Unread bool
}
