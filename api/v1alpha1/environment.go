package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Environment is a place where apps run: from where in Git, to which namespace, under which rules.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=fenv,categories={fairlead,gitops}
// +kubebuilder:printcolumn:name="Commit",type=string,JSONPath=`.status.commit`
// +kubebuilder:printcolumn:name="Apps",type=integer,JSONPath=`.status.apps.total`
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.apps.ready`
// +kubebuilder:printcolumn:name="Held",type=integer,JSONPath=`.status.apps.held`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,JSONPath=`.spec.sync.suspend`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 50",message="the name of an Environment may have at most 50 characters: its apps are named <environment>-<app> in a label"
type Environment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   EnvironmentSpec   `json:"spec"`
	Status EnvironmentStatus `json:"status,omitempty"`
}

// EnvironmentList is a list of environments.
//
// +kubebuilder:object:root=true
type EnvironmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Environment `json:"items"`
}

// EnvironmentSpec is what a user says of an environment.
type EnvironmentSpec struct {
	// Sources are the places in Git where apps are found.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:XValidation:rule="self.filter(s, has(s.candidate)).size() <= 1",message="only one source may have candidates"
	// +kubebuilder:validation:XValidation:rule="self.all(s, !has(s.candidate) || has(s.ref.branch))",message="a source with candidates follows a branch: that is what is moved"
	// +listType=atomic
	Sources []Source `json:"sources"`

	// Destination is where the apps' objects live and who applies them.
	//
	// +kubebuilder:default={}
	Destination Destination `json:"destination,omitempty"`

	// Sync is how the cluster is kept true to Git.
	//
	// +kubebuilder:default={}
	Sync Sync `json:"sync,omitempty"`

	// Release is how a new want is released. Without it whatever is accepted is applied, and that is that.
	Release *Release `json:"release,omitempty"`

	// Render is how the apps are rendered, beyond what is in their directories.
	Render *Render `json:"render,omitempty"`

	// Health adds to the built-in health rules.
	Health *Health `json:"health,omitempty"`

	// Deletion is what happens to the running objects when this Environment is deleted: Release leaves them running
	// and forgets them, Prune deletes them.
	//
	// +kubebuilder:default=Release
	// +kubebuilder:validation:Enum=Release;Prune
	Deletion Deletion `json:"deletion,omitempty"`

	// Venue makes this the place where a candidate of another Environment is rehearsed. Fairlead makes such an Environment, and deletes it; nobody else needs to.
	// Everything of its apps goes into the namespace of destination, what is in no namespace is left out, and nothing that is there already is taken over.
	Venue *Venue `json:"venue,omitempty"`
}

// Deletion says what deleting an Environment does to its apps' objects.
type Deletion string

// The choices for Deletion.
const (
	DeletionRelease Deletion = "Release"
	DeletionPrune   Deletion = "Prune"
)

// Source is one place in Git where apps are found.
//
// +kubebuilder:validation:XValidation:rule="!has(self.name) || !(self.path.contains('*') || self.path.contains('?') || self.path.contains('['))",message="only the app of a path without wildcards can be named"
type Source struct {
	// Repository names a Repository beside the Environment.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Repository string `json:"repository"`

	// Ref is what to follow: exactly one of branch, tag, semver, commit or digest.
	Ref Ref `json:"ref"`

	// Path is a glob over directories, such as "apps/*/production". Every directory that matches is an App, named by what the
	// first * matched; without a * the last element of the path names the one App. "*" matches within one path element.
	// A directory that is a symbolic link is no App: what it leads to would be found twice.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(e, e == '..')",message="path must be relative to the root of the repository and stay in it"
	Path string `json:"path"`

	// Name is what the one App of a path without wildcards is called, if not as its directory.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`

	// DependsOn names apps of the environment that have to be ready before those of this source go on, besides what an app's fairlead.yaml says.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	DependsOn []string `json:"dependsOn,omitempty"`

	// Candidate has commits checked, applied and verified before the branch is moved to them, by Fairlead. The ref has to be a branch, and one source of an
	// Environment may have it.
	Candidate *Candidate `json:"candidate,omitempty"`

	// WriteSecretRef names a Secret beside the Environment with credentials that may push to the repository, with the keys of spec.secretRef of a Repository.
	// It is for spec.release.revert; without it, that takes the Secret of candidate.
	WriteSecretRef *LocalReference `json:"writeSecretRef,omitempty"`
}

// Ref names what to follow in a repository.
//
// +kubebuilder:validation:XValidation:rule="[has(self.branch), has(self.tag), has(self.semver), has(self.commit), has(self.digest)].filter(x, x).size() == 1",message="exactly one of branch, tag, semver, commit or digest must be set"
type Ref struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Branch string `json:"branch,omitempty"`
	// Tag is an exact tag.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Tag string `json:"tag,omitempty"`
	// SemVer is a range over tags, such as ">=1.2.0 <2.0.0": the highest tag in it is followed.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	SemVer string `json:"semver,omitempty"`
	// Commit is a full commit id.
	//
	// +kubebuilder:validation:Pattern=`^([0-9a-f]{40}|[0-9a-f]{64})$`
	Commit string `json:"commit,omitempty"`
	// Digest is that of an artifact in a registry, such as sha256:…
	//
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}$`
	Digest string `json:"digest,omitempty"`
}

// Destination is where the objects of an environment's apps live and who applies them.
type Destination struct {
	// Cluster is where the objects live. Only "in-cluster", the cluster in which this Environment is, is known.
	//
	// +kubebuilder:default=in-cluster
	// +kubebuilder:validation:Enum=in-cluster
	Cluster string `json:"cluster,omitempty"`

	// Namespace is given to namespaced objects that do not name one. "{app}" stands for the app's name, "{environment}" for the
	// environment's. Empty: the namespace of the Environment.
	//
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:Pattern=`^[a-z0-9{}-]*$`
	Namespace string `json:"namespace,omitempty"`

	// CreateNamespace creates that namespace if it does not exist. Fairlead never deletes a namespace made this way.
	CreateNamespace bool `json:"createNamespace,omitempty"`

	// ServiceAccount, in the namespace of the Environment, is impersonated for every read and write of the apps' objects:
	// its rights bound what this environment can do.
	//
	// +kubebuilder:default=default
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ServiceAccount string `json:"serviceAccount,omitempty"`
}

// Sync is how the cluster is kept true to Git.
type Sync struct {
	// Drift is what happens when somebody changes an object by hand: Correct undoes it at once, Report only says so, Block lets the API server
	// refuse it, and undoes what happens all the same.
	//
	// +kubebuilder:default=Correct
	// +kubebuilder:validation:Enum=Correct;Report;Block
	Drift Drift `json:"drift,omitempty"`

	// Block says who else may write if drift is Block.
	Block *Block `json:"block,omitempty"`

	// Prune bounds what one commit may delete without a person saying so.
	//
	// +kubebuilder:default={}
	Prune Prune `json:"prune,omitempty"`

	// Suspend stops all writes to the apps' objects, drift repair included. Who and why is in the annotations
	// fairlead.dev/suspended-by and fairlead.dev/suspended-because.
	//
	// +kubebuilder:default=false
	Suspend bool `json:"suspend,omitempty"`

	// Interactive lists further field managers whose additions are undone like those of kubectl, k9s and Lens. A trailing * matches any ending.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	Interactive []string `json:"interactive,omitempty"`
}

// Drift is what happens when somebody changes an object by hand.
type Drift string

// The choices for Drift.
const (
	DriftCorrect Drift = "Correct"
	DriftReport  Drift = "Report"
	DriftBlock   Drift = "Block"
)

// Block says who may write to claimed objects besides Fairlead and the cluster's own controllers.
type Block struct {
	// Users are names of users. That of a ServiceAccount is system:serviceaccount:<namespace>:<name>.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Users []string `json:"users,omitempty"`

	// Groups are names of groups. That of all ServiceAccounts of a namespace is system:serviceaccounts:<namespace>.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Groups []string `json:"groups,omitempty"`
}

// Prune is the budget of deletions: more than either bound is held until a person approves it. Ten objects or fewer are within
// any percentage.
type Prune struct {
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=0
	MaxObjects *int32 `json:"maxObjects,omitempty"`
	// +kubebuilder:default=25
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	MaxPercent *int32 `json:"maxPercent,omitempty"`
}

// Health adds to the built-in health rules.
type Health struct {
	// Deadline is how long an object may be on its way before it counts as Degraded.
	//
	// +kubebuilder:default="10m"
	Deadline metav1.Duration `json:"deadline,omitempty"`

	// Rules replace the built-in rule for the kinds that they name.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Rules []HealthRule `json:"rules,omitempty"`
}

// HealthRule judges one kind by CEL expressions over `object`. The first expression that is true decides, in the order failed, healthy,
// progressing; if none is, the object is progressing.
type HealthRule struct {
	// APIVersion and Kind name the objects that the rule judges.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// Failed is true when the object will not become healthy by itself.
	//
	// +kubebuilder:validation:MaxLength=4096
	Failed string `json:"failed,omitempty"`
	// Healthy is true when the object does its work.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Healthy string `json:"healthy"`
	// Progressing is true when the object is on its way.
	//
	// +kubebuilder:validation:MaxLength=4096
	Progressing string `json:"progressing,omitempty"`
}

// EnvironmentStatus is where the environment stands.
type EnvironmentStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions: Ready, Reconciling, Stalled.
	//
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Commit is the short id of the first source's commit.
	Commit string `json:"commit,omitempty"`

	// Sources are the revisions that the apps were last read from, in the order of spec.sources.
	//
	// +listType=atomic
	Sources []SourceStatus `json:"sources,omitempty"`

	// Apps counts the apps of the environment.
	Apps AppCounts `json:"apps,omitempty"`

	// LastHandledSync repeats the annotation fairlead.dev/sync-requested that was last acted upon.
	LastHandledSync string `json:"lastHandledSync,omitempty"`

	// Candidates are the commits that are or were on their way to the branch, the oldest first. Of those that ended, the newest are kept.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Candidates []CandidateStatus `json:"candidates,omitempty"`

	// LastHandledDeploy repeats the request of the annotation fairlead.dev/deploy that was last acted upon.
	LastHandledDeploy string `json:"lastHandledDeploy,omitempty"`
}

// SourceStatus is one source of an environment.
type SourceStatus struct {
	// Repository and Path repeat the source.
	Repository string `json:"repository"`
	Path       string `json:"path"`
	// Revision is the commit that the apps were read from, such as "main@sha1:…".
	Revision string `json:"revision,omitempty"`
	// Apps is how many directories matched.
	//
	// +optional
	Apps int32 `json:"apps"`
	// Error says why the source cannot be read, and its apps are kept as they are; or which of its directories cannot be apps, and why.
	Error string `json:"error,omitempty"`
}

// AppCounts counts apps by how they are.
type AppCounts struct {
	// +optional
	Total int32 `json:"total"`
	// +optional
	Ready int32 `json:"ready"`
	// Failed need a person: broken in Git, refused, or unhealthy.
	//
	// +optional
	Failed int32 `json:"failed"`
	// Held wait for an approval.
	//
	// +optional
	Held int32 `json:"held"`
}
