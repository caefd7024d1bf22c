package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Candidate says which commits are tried before the branch is moved to them.
//
// +kubebuilder:validation:XValidation:rule="has(self.branch) != has(self.tag)",message="exactly one of branch or tag must be set"
type Candidate struct {
	// Branch names the branches whose commits are candidates. One * stands for any text, slashes included: "candidate/*".
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self != '*' && self.split('*').size() <= 2 && !self.startsWith('refs/')",message="branch is a name, in which one * may stand for any text beside other text"
	Branch string `json:"branch,omitempty"`

	// Tag names the tags whose commits are candidates, as branch does.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self != '*' && self.split('*').size() <= 2 && !self.startsWith('refs/')",message="tag is a name, in which one * may stand for any text beside other text"
	Tag string `json:"tag,omitempty"`

	// SecretRef names a Secret beside the Environment with credentials that may push to the branch of the source, with the keys of spec.secretRef of a
	// Repository. What the repository is read with need not be able to write.
	SecretRef LocalReference `json:"secretRef"`

	// Merge is what happens if the branch was moved since the candidate left it. Never: the candidate is refused, and has to be rebased. WhereApart: the
	// branch is moved to a merge commit, if it changed no file that the candidate changes, and each app that was tried still renders from the same files.
	//
	// +kubebuilder:default=Never
	// +kubebuilder:validation:Enum=Never;WhereApart
	Merge Merge `json:"merge,omitempty"`

	// Deadline is how long it may take until every app is well, gates and a rehearsal included. 0: as long as their releases take.
	Deadline metav1.Duration `json:"deadline,omitempty"`

	// Rehearsal has the apps that a candidate changes applied and verified in preview namespaces first, which are made for that and deleted afterwards. Only
	// what gets well there is tried in the environment.
	Rehearsal *Rehearsal `json:"rehearsal,omitempty"`
}

// Rehearsal says where candidates are tried before they are tried in the environment.
type Rehearsal struct {
	// Namespace is where the objects of an app go, whichever they name: "{app}" stands for the app's name, "{environment}" for the environment's. It is made if it
	// is not there, and deleted afterwards if it was made. Of one that was there before, only what was applied is deleted.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:Pattern=`^[a-z0-9{}-]*$`
	Namespace string `json:"namespace"`

	// Deadline is how long it may take until every app is well there.
	//
	// +kubebuilder:default="10m"
	Deadline metav1.Duration `json:"deadline,omitempty"`
}

// LabelVenue names, on an Environment in which a candidate is rehearsed and on its Apps, the Environment that the candidate is of.
const LabelVenue = "fairlead.dev/venue-of"

// Venue says of which environment another one rehearses a candidate.
type Venue struct {
	// Of names the Environment whose candidate is rehearsed, beside this one.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	Of string `json:"of"`

	// Apps are those that the candidate changes: no other is made here.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=200
	Apps []string `json:"apps"`
}

// Merge is what happens to a candidate that is no descendant of its branch.
type Merge string

// The choices for Merge.
const (
	MergeNever      Merge = "Never"
	MergeWhereApart Merge = "WhereApart"
)

// CandidateStatus is one commit on its way to the branch.
type CandidateStatus struct {
	// Ref is the branch or tag that names the commit; empty if a person asked for it.
	Ref    string `json:"ref,omitempty"`
	Commit string `json:"commit"`
	// Author and Subject are those of the commit.
	Author  string `json:"author,omitempty"`
	Subject string `json:"subject,omitempty"`
	// Request is what a person asked for last about it, and By who that was.
	Request string `json:"request,omitempty"`
	By      string `json:"by,omitempty"`
	// Phase is Waiting, Rehearsing, Trying, Moving, Moved, Refused or Gone.
	Phase string `json:"phase"`
	// Since is when the phase began, and Began when it was first tried.
	Since metav1.Time `json:"since,omitempty"`
	Began metav1.Time `json:"began,omitempty"`
	// Base is the commit of the branch when it was tried.
	Base string `json:"base,omitempty"`
	// Apps are those that it changes, and Leaves those of them that go while it is tried. The others that it removes go when the branch has it.
	//
	// +listType=atomic
	Apps []string `json:"apps,omitempty"`
	// +listType=atomic
	Leaves []string `json:"leaves,omitempty"`
	// LeftOut are the objects that its rehearsal did without, since they are in no namespace.
	//
	// +listType=atomic
	LeftOut []string `json:"leftOut,omitempty"`
	// Why is what it waits for, or why it ended so.
	Why string `json:"why,omitempty"`
	// Told is what the forge was told last of it, if the Repository asks for commit statuses.
	Told CommitState `json:"told,omitempty"`
}
