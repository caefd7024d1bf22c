package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Gate is one condition before a release may be applied. All gates of an environment have to be open at the same time; one that cannot be judged is closed, and
// says why. Exactly one of its kinds is set.
//
// +kubebuilder:validation:XValidation:rule="[has(self.approval), has(self.window), has(self.freeze), has(self.soak), has(self.commitStatus), has(self.metric), has(self.http)].filter(x, x).size() == 1",message="exactly one of approval, window, freeze, soak, commitStatus, metric or http must be set"
type Gate struct {
	// Name is what the gate is called where it is spoken of, and what an Override opens. Without one it is called by its kind, such as "window".
	//
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// Approval waits until enough people let this very commit go.
	Approval *ApprovalGate `json:"approval,omitempty"`
	// Window is open at some times of the week, or closed at some.
	Window *WindowGate `json:"window,omitempty"`
	// Freeze is closed from one date to another.
	Freeze *FreezeGate `json:"freeze,omitempty"`
	// Soak waits until the commit was healthy for so long elsewhere.
	Soak *SoakGate `json:"soak,omitempty"`
	// CommitStatus waits for a mark that the forge shows beside the commit.
	CommitStatus *CommitStatusGate `json:"commitStatus,omitempty"`
	// Metric waits for what a Prometheus answers.
	Metric *MetricGate `json:"metric,omitempty"`
	// HTTP asks a service of yours.
	HTTP *HTTPGate `json:"http,omitempty"`
}

// ApprovalGate says whose approval counts, and how many it takes. Where neither users nor groups are named, that of any person counts who may create Approvals
// in the namespace; a ServiceAccount has to be named.
//
// +kubebuilder:validation:XValidation:rule="!has(self.identities) || size(self.identities) == 0 || (has(self.notAuthor) && self.notAuthor)",message="identities are read for notAuthor alone"
type ApprovalGate struct {
	// Required is how many different people have to approve.
	//
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Required int32 `json:"required,omitempty"`

	// Users are the user names, as the API server knows them, whose approval counts.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Users []string `json:"users,omitempty"`

	// Groups are groups, as the API server knows them, the approval of whose members counts.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Groups []string `json:"groups,omitempty"`

	// NotAuthor refuses the approval of who wrote the commit, and of who cannot be told from its author: those who are neither known to the API server by a mail
	// address nor named in identities.
	NotAuthor bool `json:"notAuthor,omitempty"`

	// Identities say under which mail addresses people write commits, where their user names are not these addresses.
	//
	// +listType=map
	// +listMapKey=user
	// +kubebuilder:validation:MaxItems=50
	Identities []Identity `json:"identities,omitempty"`

	// ValidFor is how long an approval counts at most, whatever it says itself. Nothing: as long as it says, 30 days at most.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="validFor must be at least 1m"
	ValidFor *metav1.Duration `json:"validFor,omitempty"`
}

// Identity is a user and the mail addresses that he writes commits with.
type Identity struct {
	// User is the name by which the API server knows him.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	User string `json:"user"`
	// Mails are compared without regard to case.
	//
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MinLength=3
	// +kubebuilder:validation:items:MaxLength=253
	Mails []string `json:"mails"`
}

// WindowGate is open in every minute that cron matches.
type WindowGate struct {
	// Cron has five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday); "* 9-16 * * 1-5" is from 9:00 to 17:00 from Monday to
	// Friday. Names such as MON and JAN may be used. Where both days are restricted, one of them has to match, as with cron.
	//
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[0-9A-Za-z*,/-]+( +[0-9A-Za-z*,/-]+){4}$`
	Cron string `json:"cron"`

	// TimeZone is in which cron is read, such as Europe/Berlin.
	//
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_+/-]*$`
	TimeZone string `json:"timeZone,omitempty"`

	// Deny turns it round: closed in every minute that cron matches.
	Deny bool `json:"deny,omitempty"`
}

// FreezeGate is closed from one date to another.
//
// +kubebuilder:validation:XValidation:rule="self.from < self.until",message="from must be before until"
type FreezeGate struct {
	// From is the first minute that is closed, such as 2026-12-20T18:00. A date alone begins with that day.
	//
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9])?$`
	From string `json:"from"`

	// Until is the first minute that is open again. A date alone is the beginning of that day.
	//
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9])?$`
	Until string `json:"until"`

	// TimeZone is in which both are read, such as Europe/Berlin.
	//
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_+/-]*$`
	TimeZone string `json:"timeZone,omitempty"`

	// Reason is shown to whoever waits.
	//
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}

// SoakGate waits until the app of the same name was healthy at this commit in another environment.
type SoakGate struct {
	// Environment is an Environment beside this one, or namespace/name.
	//
	// +kubebuilder:validation:MaxLength=316
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$`
	Environment string `json:"environment"`

	// For is how long.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('720h')",message="for must be between 0s and 720h"
	For metav1.Duration `json:"for"`
}

// CommitStatusGate waits for a mark beside the commit: a commit status, or a check of GitHub. Which forge, and with what token it is asked, stands in
// spec.commitStatus of the Repository; the token has to be allowed to read both.
type CommitStatusGate struct {
	// Context is what the mark is called, such as "ci/build".
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Context string `json:"context"`
}

// MetricGate asks a Prometheus. It is open as long as the query yields numbers, and all of them are within the bounds.
//
// +kubebuilder:validation:XValidation:rule="has(self.atMost) || has(self.atLeast)",message="at least one of atMost and atLeast must be set"
type MetricGate struct {
	// Prometheus is the address of a Prometheus, or of what speaks as one, asked from where Fairlead runs: /api/v1/query is added to it.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^/@?# ]+(/[^?# ]*)?$`
	Prometheus string `json:"prometheus"`

	// Query is in PromQL. {app}, {namespace}, {environment} and {commit} are replaced. Write "… or vector(0)" if nothing means 0.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query"`

	// AtMost is the most that every number may be.
	AtMost *Number `json:"atMost,omitempty"`
	// AtLeast is the least that every number may be.
	AtLeast *Number `json:"atLeast,omitempty"`

	// SecretRef names a Secret beside the Environment. Keys: `bearerToken`, which is sent along, and `ca.crt` (PEM bundle that signs the server); both optional.
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}

// HTTPGate asks a service of yours whether a release may go. Fairlead posts JSON: app, namespace, environment, destination, commit, author. What opens the gate is
// the answer 200 with {"open": true}. Until then it answers {"open": false, "waits": "for what"}, and may say when to ask again: "until", in RFC 3339.
type HTTPGate struct {
	// URL is asked from where Fairlead runs. {app}, {namespace}, {environment} and {commit} are replaced.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^/@?# ]+([/?][^# ]*)?$`
	URL string `json:"url"`

	// SecretRef names a Secret beside the Environment. Keys: `hmacKey`, by which the request is signed: the header X-Fairlead-Signature is "sha256=" and the
	// HMAC-SHA256 of the body in hexadecimal digits; `bearerToken`, which is sent along; and `ca.crt` (PEM bundle that signs the server). All are optional.
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}
