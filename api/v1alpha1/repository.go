package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Repository is a Git repository, or one of artifacts in an OCI registry, that environments follow: its address, its credentials, how often it is asked.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=repo,categories={fairlead,gitops}
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Refs",type=string,JSONPath=`.status.summary`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Repository struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   RepositorySpec   `json:"spec"`
	Status RepositoryStatus `json:"status,omitempty"`
}

// RepositoryList is a list of repositories.
//
// +kubebuilder:object:root=true
type RepositoryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Repository `json:"items"`
}

// RepositorySpec is what a user says of a repository.
type RepositorySpec struct {
	// URL is the address to fetch from: https://, http:// or ssh:// (also user@host:path) of a Git repository, or oci://host/name of artifacts in a registry,
	// as `flux push artifact` and `oras push` make them. Credentials do not belong in it.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https?|ssh|oci)://[^ ]+$') || self.matches('^[^@/: ]+@[^/: ]+:[^ ]+$')",message="url must start with https://, http://, ssh:// or oci://, or have the form user@host:path"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^(https?|oci)://[^/@]*@')",message="url must not hold credentials: put them in a Secret and name it in spec.secretRef"
	URL string `json:"url"`

	// Insecure lets a registry (oci://) be reached without TLS.
	Insecure bool `json:"insecure,omitempty"`

	// SecretRef names a Secret beside the Repository with the credentials. Keys: `username` and `password` (basic auth),
	// `bearerToken`, `identity` and `known_hosts` (SSH private key, both mandatory for ssh), `password` (passphrase of `identity`),
	// `ca.crt` (PEM bundle that signs the server), `webhookToken` (shared secret of webhooks). For a registry: `username` and `password`, `token` (an
	// identity token), or `.dockerconfigjson`.
	// Read-only credentials are enough.
	SecretRef *LocalReference `json:"secretRef,omitempty"`

	// Interval is how often the repository is asked for the heads of what is followed: one ls-refs, whatever the number of
	// apps and environments. A webhook makes the wait shorter, never the interval longer.
	//
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="interval must be at least 1s"
	Interval metav1.Duration `json:"interval,omitempty"`

	// Timeout bounds one exchange with the server (ls-refs or fetch).
	//
	// +kubebuilder:default="2m"
	Timeout metav1.Duration `json:"timeout,omitempty"`

	// Verify makes Fairlead apply only what somebody signed whose key is known. What is not is refused: what was applied before stays, and is kept true.
	// Without it, whoever can write to the repository is believed.
	Verify *Verification `json:"verify,omitempty"`

	// CommitStatus has the forge told how each commit fares that changes an app: beside the commit, and below its pull request.
	CommitStatus *CommitStatus `json:"commitStatus,omitempty"`

	// Suspend stops asking and fetching. What was fetched goes on being kept true.
	Suspend bool `json:"suspend,omitempty"`
}

// Verification says what has to be signed, and by whom.
type Verification struct {
	// Mode is what has to be signed: of an artifact its digest, with `cosign sign --key`, whatever the mode; of Git `Head` the commit that a followed ref names; `Tag` the annotated tag that it names (branches are refused then);
	// `Every` each commit that came since the last one that was accepted, and of the first one that commit alone.
	//
	// +kubebuilder:default=Head
	// +kubebuilder:validation:Enum=Head;Tag;Every
	Mode VerifyMode `json:"mode,omitempty"`

	// SecretRef names a Secret beside the Repository that holds public keys. Each entry holds armoured OpenPGP public keys, or SSH public keys, one to a
	// line, as in authorized_keys or in the allowed_signers file of ssh-keygen. The entry `revoked` holds fingerprints and SSH public keys, one to a line,
	// that sign nothing any more. For artifacts (oci://) each entry holds public keys of cosign (PEM).
	SecretRef LocalReference `json:"secretRef"`
}

// CommitStatus says how to tell a forge of commits.
type CommitStatus struct {
	// Forge is what is at the other end. Forgejo is a Gitea. Needed unless the repository is at github.com, gitlab.com or codeberg.org.
	//
	// +kubebuilder:validation:Enum=GitHub;GitLab;Gitea
	Forge string `json:"forge,omitempty"`

	// API is where the forge has its interface, such as https://git.example.com/api/v1. Needed if it is not where that forge has it on the host of spec.url.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^@ ]+$')",message="api must start with https:// or http://, and hold no credentials"
	API string `json:"api,omitempty"`

	// Repository is what the forge calls the repository, such as shop/config. Needed if spec.url does not end in it.
	//
	// +kubebuilder:validation:Pattern=`^[^/ ]+(/[^/ ]+)+$`
	// +kubebuilder:validation:MaxLength=255
	Repository string `json:"repository,omitempty"`

	// SecretRef names a Secret beside the Repository. Keys: `token`, which may set statuses of commits and needs no other right; `ca.crt` (PEM bundle that
	// signs the forge), optional.
	SecretRef LocalReference `json:"secretRef"`

	// Prefix is the first part of what statuses are called, "fairlead" in "fairlead/production/web". Clusters that follow the same repository need
	// different ones.
	//
	// +kubebuilder:default=fairlead
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`
	Prefix string `json:"prefix,omitempty"`

	// Link is where a status leads to: an address in which {namespace}, {environment}, {app} and {commit} are replaced.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^ ]+$')",message="link must start with https:// or http://"
	Link string `json:"link,omitempty"`
}

// VerifyMode is what has to be signed.
type VerifyMode string

// The modes of Verification.
const (
	VerifyHead  VerifyMode = "Head"
	VerifyTag   VerifyMode = "Tag"
	VerifyEvery VerifyMode = "Every"
)

// LocalReference names an object in the same namespace.
type LocalReference struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// RepositoryStatus is what Fairlead last learned from the server.
type RepositoryStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions: Ready, Reconciling, Stalled.
	//
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Summary is the followed refs in one line.
	Summary string `json:"summary,omitempty"`

	// Refs are the refs that environments follow and what they name.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Refs []RefStatus `json:"refs,omitempty"`

	// LastHandledSync repeats the annotation fairlead.dev/sync-requested that was last acted upon.
	LastHandledSync string `json:"lastHandledSync,omitempty"`
}

// RefStatus is one followed ref.
type RefStatus struct {
	// Ref is what is followed, such as "main" or "semver >=1.0".
	Ref string `json:"ref"`
	// Revision is what it names, such as "main@sha1:…".
	Revision string `json:"revision,omitempty"`
	// Author wrote the commit, as the commit says.
	Author string `json:"author,omitempty"`
	// Subject is the first line of its message.
	Subject string `json:"subject,omitempty"`
	// Moved is when the ref was seen to name this revision.
	Moved metav1.Time `json:"moved,omitempty"`
	// Forced says that the last move was not a fast-forward.
	Forced bool `json:"forced,omitempty"`
	// Signer is who signed it and with which key, if spec.verify asks for that.
	Signer string `json:"signer,omitempty"`
	// Verified is when that signature was accepted first. A key that expires later does not take back what it signed before.
	Verified *metav1.Time `json:"verified,omitempty"`
	// Error says why the ref does not resolve or cannot be fetched. Revision is then the last good one.
	Error string `json:"error,omitempty"`
}
