package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// App is one directory of an environment: the unit that is rendered, applied and pruned. Fairlead writes it; people read it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories={fairlead,gitops}
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Health",type=string,JSONPath=`.status.health`
// +kubebuilder:printcolumn:name="Want",type=string,JSONPath=`.status.wanted.short`
// +kubebuilder:printcolumn:name="Applied",type=string,JSONPath=`.status.applied.short`
// +kubebuilder:printcolumn:name="Drift",type=integer,JSONPath=`.status.drift.objects`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Objects",type=integer,JSONPath=`.status.objects`,priority=1
// +kubebuilder:printcolumn:name="Path",type=string,JSONPath=`.spec.path`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type App struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   AppSpec   `json:"spec"`
	Status AppStatus `json:"status,omitempty"`
}

// AppList is a list of apps.
//
// +kubebuilder:object:root=true
type AppList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []App `json:"items"`
}

// AppSpec is written by Fairlead from the Environment, but for Suspend.
type AppSpec struct {
	// Environment is the name of the Environment beside the App.
	//
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the environment of an App never changes"
	Environment string `json:"environment"`
	// Name is the app's name within its environment.
	//
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the name of an App never changes"
	Name string `json:"name"`
	// Repository names the Repository that the app is read from.
	Repository string `json:"repository"`
	// Path is its directory.
	Path string `json:"path"`
	// Suspend stops all writes to the app's objects, drift repair included.
	Suspend *Suspension `json:"suspend,omitempty"`
}

// Suspension says who stopped an app, why and when.
type Suspension struct {
	// +kubebuilder:validation:MaxLength=253
	By string `json:"by,omitempty"`
	// +kubebuilder:validation:MaxLength=1024
	Because string      `json:"because,omitempty"`
	Since   metav1.Time `json:"since,omitempty"`
}

// Phase is where an app stands on the way from Git to the cluster.
type Phase string

// The phases of an App.
const (
	// PhasePending has not been looked at yet.
	PhasePending Phase = "Pending"
	// PhaseFailed cannot go on until a person changes something: see the reason.
	PhaseFailed Phase = "Failed"
	// PhaseHeld has applied what it may; a step waits for an approval.
	PhaseHeld Phase = "Held"
	// PhaseWaiting waits for another app or for something outside to come back.
	PhaseWaiting Phase = "Waiting"
	// PhaseApplying has steps left that are on their way.
	PhaseApplying Phase = "Applying"
	// PhaseVerifying is applied and healthy, and being tried.
	PhaseVerifying Phase = "Verifying"
	// PhaseRolledBack is kept at what was good before: what Git wants did not get well, or a person said so.
	PhaseRolledBack Phase = "RolledBack"
	// PhaseSynced means that a clean render of the wanted revision equals what is applied.
	PhaseSynced Phase = "Synced"
	// PhaseDrifted means that live differs from Git and drift is only reported.
	PhaseDrifted Phase = "Drifted"
	// PhaseSuspended means that a person stopped the app or its environment.
	PhaseSuspended Phase = "Suspended"
	// PhaseRemoving means that the app's directory is gone and its objects are being deleted.
	PhaseRemoving Phase = "Removing"
)

// AppStatus is the truth about an app: at most 64 KiB however many objects it has.
type AppStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions: Ready, Reconciling, Stalled.
	//
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Phase is where the app stands between Git and the cluster.
	Phase Phase `json:"phase,omitempty"`
	// Health is the worst health among the app's objects.
	Health string `json:"health,omitempty"`
	// Reason is the first reason why the app is not further. Empty when there is none.
	Reason string `json:"reason,omitempty"`

	// Wanted is the newest commit that changed what the app renders from.
	Wanted Revision `json:"wanted,omitempty"`
	// Applied is the commit whose render was applied completely last.
	Applied Revision `json:"applied,omitempty"`

	// Inputs identifies what the wanted revision renders from: equal inputs, equal digest.
	Inputs string `json:"inputs,omitempty"`

	// Bundle identifies the objects of which all were applied, as Fairlead's own record has them.
	Bundle string `json:"bundle,omitempty"`

	// Objects is how many objects the app claims.
	//
	// +optional
	Objects int32 `json:"objects"`
	// Unhealthy are the first of the objects that are not healthy.
	//
	// +listType=atomic
	Unhealthy []ObjectNote `json:"unhealthy,omitempty"`
	// Refused are the first of the objects that the API server or a policy did not accept.
	//
	// +listType=atomic
	Refused []ObjectNote `json:"refused,omitempty"`
	// Held are the first of the steps that wait for a person.
	//
	// +listType=atomic
	Held []HeldStep `json:"held,omitempty"`
	// HoldID names exactly the set of steps that are held now: `fairlead approve` lets them go.
	HoldID string `json:"holdID,omitempty"`

	// Drift says what was changed by hand.
	Drift DriftStatus `json:"drift,omitempty"`

	// Recorded counts what the history was told of how the app stands: of drift that is left, of suspensions and of holds.
	Recorded int64 `json:"recorded,omitempty"`

	// Release is the newest release, and Releases those before it, newest first. An app of an environment without spec.release has none, unless it was rolled back.
	Release *ReleaseStatus `json:"release,omitempty"`
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Releases []ReleaseStatus `json:"releases,omitempty"`
	// Pinned is the commit that the app is kept at, though Git wants another one: that was rolled back.
	Pinned string `json:"pinned,omitempty"`
	// Rollback is the request by the annotation fairlead.dev/rollback that was acted upon last.
	Rollback *RollbackStatus `json:"rollback,omitempty"`
	// Attempt is the try of a candidate that was taken up last.
	Attempt string `json:"attempt,omitempty"`
	// Revert is the commit that has Git agree, if spec.release.revert of the Environment asks for one and the newest release was rolled back.
	Revert *RevertStatus `json:"revert,omitempty"`

	// Helm is what is recorded of an app that is one chart, for `helm ls` and `helm history`.
	Helm *HelmStatus `json:"helm,omitempty"`

	// Told is what the forge was told last, if the Repository asks for commit statuses.
	Told *CommitTold `json:"told,omitempty"`

	// LastHandledSync repeats the annotation fairlead.dev/sync-requested that was last acted upon.
	LastHandledSync string `json:"lastHandledSync,omitempty"`

	// LeftOut are objects that are in Git and not made, since this is a rehearsal, and they would be in no namespace. The first of them are named.
	//
	// +listType=atomic
	LeftOut []string `json:"leftOut,omitempty"`
}

// CommitState is how a commit fares.
type CommitState string

// The states of a commit.
const (
	CommitPending CommitState = "pending"
	CommitSuccess CommitState = "success"
	CommitFailure CommitState = "failure"
)

// CommitTold is what a forge was told of a commit.
type CommitTold struct {
	Commit string      `json:"commit"`
	State  CommitState `json:"state"`
	// Description is why, in one line.
	Description string `json:"description,omitempty"`
}

// Revision is a commit as people ask for it.
type Revision struct {
	// Revision is such as "main@sha1:…".
	Revision string `json:"revision,omitempty"`
	Short    string `json:"short,omitempty"`
	Author   string `json:"author,omitempty"`
	Subject  string `json:"subject,omitempty"`
	// Committed is when the commit was made, as it says itself.
	Committed metav1.Time `json:"committed,omitempty"`
	// At is when the commit was seen, or applied.
	At metav1.Time `json:"at,omitempty"`
}

// ObjectNote is an object and what is to be said of it.
type ObjectNote struct {
	Object string `json:"object"`
	// Health is set where the note is about health.
	Health string `json:"health,omitempty"`
	// Message says what is wrong and what to do.
	Message string `json:"message,omitempty"`
	// At is the file and line that define the object, where known.
	At string `json:"at,omitempty"`
}

// HeldStep is a step that waits for a person.
type HeldStep struct {
	Action string `json:"action"`
	Object string `json:"object"`
	Why    string `json:"why"`
}

// DriftStatus is what was changed by hand.
type DriftStatus struct {
	// Objects is how many objects differ from Git now.
	//
	// +optional
	Objects int32 `json:"objects"`
	// Total is how many hand edits were seen since the App exists.
	//
	// +optional
	Total int64 `json:"total"`
	// Last are the newest of them, newest first.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Last []DriftRecord `json:"last,omitempty"`
}

// DriftRecord is one hand edit.
type DriftRecord struct {
	Object string `json:"object"`
	// Manager is the field manager that did it, such as "kubectl-edit"; empty where the API server keeps no record (a deletion).
	Manager   string      `json:"manager,omitempty"`
	Operation string      `json:"operation,omitempty"`
	At        metav1.Time `json:"at,omitempty"`
	// Fields are the first of the changed fields. Values are not recorded.
	Fields []string `json:"fields,omitempty"`
	// Outcome is Undone, Reported, or Contested.
	Outcome string `json:"outcome"`
}
