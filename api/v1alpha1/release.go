package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Release is how the apps of an environment get from one want to the next: what has to be so before, what is tried afterwards, and what happens if that fails.
type Release struct {
	// Gates have all to be open before a new want is applied. Repairs of what is released never wait for them.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Gates []Gate `json:"gates,omitempty"`

	// Verify is what is tried once everything is applied and healthy. All of it has to pass.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Verify []Trial `json:"verify,omitempty"`

	// Deadline is how long a release may take to be healthy and verified, from its first apply. 0: as long as it likes.
	//
	// +kubebuilder:default="10m"
	Deadline metav1.Duration `json:"deadline,omitempty"`

	// OnFailure is what happens to a release that fails: Rollback applies again what was good before, Halt leaves it as it is.
	//
	// +kubebuilder:default=Rollback
	// +kubebuilder:validation:Enum=Rollback;Halt
	OnFailure OnFailure `json:"onFailure,omitempty"`

	// WatchFor is for how long after its success a release has to stay healthy: it fails if it does not. 0: it is not watched.
	WatchFor metav1.Duration `json:"watchFor,omitempty"`

	// Revert has Git agree with what was rolled back: None, which is the default, leaves that to people. Branch pushes a commit that restores the directory of the app to a branch
	// fairlead/revert-ENVIRONMENT-APP-COMMIT, for a pull request. Commit pushes it to the branch that is followed. The source needs a writeSecretRef.
	//
	// +kubebuilder:validation:Enum=None;Branch;Commit
	Revert Revert `json:"revert,omitempty"`
}

// Revert is what becomes in Git of a release that was rolled back.
type Revert string

// The choices for Revert.
const (
	RevertNone   Revert = "None"
	RevertBranch Revert = "Branch"
	RevertCommit Revert = "Commit"
)

// RevertStatus is the commit that has Git agree with a release that was rolled back.
type RevertStatus struct {
	// Serial is that of the release that was rolled back.
	Serial int64 `json:"serial"`
	// Branch is where the commit is. Both are empty as long as there is none.
	Branch string `json:"branch,omitempty"`
	Commit string `json:"commit,omitempty"`
	// Error is why there is none.
	Error string `json:"error,omitempty"`
}

// HelmStatus is what is recorded of an app as Helm records its releases.
type HelmStatus struct {
	// Release and Namespace are where `helm history` finds it.
	Release   string `json:"release,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	// Revision is the newest one.
	Revision int32 `json:"revision,omitempty"`
	// Recorded identifies what was recorded last.
	Recorded string `json:"recorded,omitempty"`
	// Message is why what was released since then is not recorded. Releases do not wait for that.
	Message string `json:"message,omitempty"`
}

// OnFailure is what happens to a release that fails.
type OnFailure string

// The choices for OnFailure.
const (
	OnFailureRollback OnFailure = "Rollback"
	OnFailureHalt     OnFailure = "Halt"
)

// ReleaseStatus is one release: an app moving to one new want.
type ReleaseStatus struct {
	// Serial counts the releases of an app, from 1 on.
	Serial int64 `json:"serial"`
	// Revision is the commit, such as "main@sha1:…".
	Revision string `json:"revision,omitempty"`
	// Phase is Planned, Gated, Applying, Progressing, Verifying, Succeeded, Failed, RollingBack, RolledBack or Superseded.
	Phase string `json:"phase"`
	// Since is when the phase began, and Began when the want was first to be applied.
	Since metav1.Time `json:"since,omitempty"`
	Began metav1.Time `json:"began,omitempty"`
	// Back is the commit that it went back to.
	Back string `json:"back,omitempty"`
	// Why is what it waits for, or why it ended so.
	Why string `json:"why,omitempty"`
}

// RollbackStatus is what became of a request of a person's.
type RollbackStatus struct {
	Request string `json:"request"`
	// Error is why nothing was done.
	Error string `json:"error,omitempty"`
}
