package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Notifier tells people how the apps of the Environments beside it fare: one message for each app, commit and outcome. What happened before it was made is not
// told.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories={fairlead}
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Waiting",type=integer,JSONPath=`.status.waiting`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Notifier struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   NotifierSpec   `json:"spec"`
	Status NotifierStatus `json:"status,omitempty"`
}

// NotifierList is a list of notifiers.
//
// +kubebuilder:object:root=true
type NotifierList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Notifier `json:"items"`
}

// NotifierSpec says who is told, of what, and when.
//
// +kubebuilder:validation:XValidation:rule="[has(self.slack), has(self.teams), has(self.email), has(self.webhook)].filter(x, x).size() == 1",message="exactly one of slack, teams, email or webhook must be set"
type NotifierSpec struct {
	// Slack writes to a channel: one message for each release, kept up to date, with what happened to it in its thread.
	Slack *SlackChannel `json:"slack,omitempty"`
	// Teams writes to a channel or chat of Microsoft Teams: a card for each outcome.
	Teams *TeamsChannel `json:"teams,omitempty"`
	// Email sends a mail for each outcome.
	Email *Email `json:"email,omitempty"`
	// Webhook posts a CloudEvent for each outcome.
	Webhook *EventWebhook `json:"webhook,omitempty"`

	// Environments are the names of the Environments beside the Notifier whose apps are told of; * stands for any characters. Nothing: all of them.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=50
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9.*-]+$`
	Environments []string `json:"environments,omitempty"`

	// Events are the outcomes that are told. Succeeded: released, healthy and verified. Failed: it cannot go on, or did not get well, and stays so. RolledBack:
	// it is back at what was good before. Held: deletions wait for a person, or a release has waited at its gates for a minute. Drift: objects differ from Git and
	// are left so.
	//
	// +listType=set
	// +kubebuilder:default={Failed,RolledBack,Held}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	Events []Outcome `json:"events,omitempty"`

	// Quiet are hours in which nobody is told anything. What happens in them is told in one message afterwards.
	Quiet *QuietHours `json:"quiet,omitempty"`

	// Group makes one message of many: what happens to more apps than a few at once is told in one message. In Slack it is kept up to date; the others get
	// it when the window is over.
	Group *Grouping `json:"group,omitempty"`

	// Template is the text of a message about one app, as a Go template of these fields: .App, .Environment, .Namespace, .Outcome, .Commit, .Short, .Why, .Back
	// and .Time. It may use if, else, with, and, or, not, eq and ne, and nothing else. A message has at most 3000 characters.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Template string `json:"template,omitempty"`
}

// Outcome is what may be told of an app.
//
// +kubebuilder:validation:Enum=Succeeded;Failed;RolledBack;Held;Drift
type Outcome string

// The outcomes.
const (
	OutcomeSucceeded  Outcome = "Succeeded"
	OutcomeFailed     Outcome = "Failed"
	OutcomeRolledBack Outcome = "RolledBack"
	OutcomeHeld       Outcome = "Held"
	OutcomeDrift      Outcome = "Drift"
)

// SlackChannel is a channel of a Slack workspace.
type SlackChannel struct {
	// Channel is the id of the channel, such as C0123456789, as "View channel details" shows it. The app that the token is of has to be in it.
	//
	// +kubebuilder:validation:Pattern=`^[CGD][A-Z0-9]{2,20}$`
	Channel string `json:"channel"`

	// SecretRef names a Secret beside the Notifier whose key `token` holds a bot token. It needs the scope chat:write, and channels:history (groups:history for
	// a private channel) to see after a crash whether a message came: without that one, it may come twice.
	SecretRef LocalReference `json:"secretRef"`

	// API is where Slack is.
	//
	// +kubebuilder:default="https://slack.com/api"
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https?://[^/@?# ]+(/[^?# ]*)?$`
	API string `json:"api,omitempty"`
}

// TeamsChannel is where a workflow of Microsoft Teams posts the cards that it gets.
type TeamsChannel struct {
	// SecretRef names a Secret beside the Notifier whose key `url` holds the address that the workflow "Send webhook alerts to a channel" shows, which is a secret
	// itself: who has it may post. `ca.crt` (PEM bundle that signs the server) is optional.
	SecretRef LocalReference `json:"secretRef"`
}

// Email is who gets mail, and by which server. Mail is sent over STARTTLS alone.
type Email struct {
	// SMTP is the host and the port of a server that takes mail, such as smtp.example.com:587.
	//
	// +kubebuilder:validation:MaxLength=300
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9.-]+:[0-9]{1,5}$`
	SMTP string `json:"smtp"`

	// From is the address that it comes from.
	//
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:Pattern=`^[^@<>,;\s"]+@[^@<>,;\s"]+$`
	From string `json:"from"`

	// To are the addresses that get it.
	//
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=254
	// +kubebuilder:validation:items:Pattern=`^[^@<>,;\s"]+@[^@<>,;\s"]+$`
	To []string `json:"to"`

	// SecretRef names a Secret beside the Notifier. Keys: `username` and `password`, and `ca.crt` (PEM bundle that signs the server). All are optional.
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}

// EventWebhook is who takes CloudEvents 1.0, in their structured JSON form. An event that is posted again has the same id.
type EventWebhook struct {
	// URL is asked from where Fairlead runs.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^/@?# ]+([/?][^# ]*)?$`
	URL string `json:"url"`

	// SecretRef names a Secret beside the Notifier. Keys: `hmacKey`, by which the request is signed: the header X-Fairlead-Signature is "sha256=" and the
	// HMAC-SHA256 of the body in hexadecimal digits; `bearerToken`, which is sent along; and `ca.crt` (PEM bundle that signs the server). All are optional.
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}

// QuietHours are from one time of the day to another, every day. If the first is the later one they end on the next day.
//
// +kubebuilder:validation:XValidation:rule="self.from != self.until",message="from and until must differ"
type QuietHours struct {
	// From is the first minute that is quiet, such as 22:00.
	//
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	From string `json:"from"`
	// Until is the first minute that is not.
	//
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	Until string `json:"until"`

	// TimeZone is in which both are read, such as Europe/Berlin.
	//
	// +kubebuilder:default=UTC
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z][A-Za-z0-9_+/-]*$`
	TimeZone string `json:"timeZone,omitempty"`

	// ExceptFailures lets Failed and RolledBack through at once.
	ExceptFailures bool `json:"exceptFailures,omitempty"`
}

// Grouping says when many messages become one.
type Grouping struct {
	// MoreThan is how many messages there are within the window before the next ones become one.
	//
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	MoreThan int32 `json:"moreThan,omitempty"`

	// Window is how long they are counted, and how long after the last one another joins the one message.
	//
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('5s') && duration(self) <= duration('30m')",message="window must be between 5s and 30m"
	Window metav1.Duration `json:"window,omitempty"`
}

// NotifierStatus is what was told, and what is still to be.
type NotifierStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions: Ready, which is False while something cannot be told.
	//
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Waiting is how much is still to be told.
	//
	// +optional
	Waiting int32 `json:"waiting"`

	// Since is from when on what happens is told. What happened before was, or is not to be.
	Since metav1.Time `json:"since,omitempty"`

	// Told are the newest of what was told or is to be, newest last.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	Told []Telling `json:"told,omitempty"`
}

// Telling is one outcome, and how far its telling is.
type Telling struct {
	// Key is the app, the commit and the outcome.
	Key string `json:"key"`
	// Since is when it happened.
	Since metav1.Time `json:"since,omitempty"`
	// State is Waiting, Sending (if nobody is at it: it may have come), Sent, or GivenUp.
	//
	// +kubebuilder:validation:Enum=Waiting;Sending;Sent;GivenUp
	State TellingState `json:"state"`
	// Noted is when it was put here, and Again when it is tried next.
	Noted metav1.Time `json:"noted,omitempty"`
	Again metav1.Time `json:"again,omitempty"`
	// Tries is how often it was tried.
	Tries int32 `json:"tries,omitempty"`
	// Group names the one message that this and others are told in.
	Group string `json:"group,omitempty"`
	// Thread is what Slack calls the message whose thread it is in.
	Thread string `json:"thread,omitempty"`
	// Why is what happened, in a line.
	Why string `json:"why,omitempty"`
	// Back is the commit that the app went back to.
	Back string `json:"back,omitempty"`
	// Error is what went wrong at the last try.
	Error string `json:"error,omitempty"`
}

// TellingState is how far a telling is.
type TellingState string

// The states of a telling.
const (
	TellingWaiting TellingState = "Waiting"
	TellingSending TellingState = "Sending"
	TellingSent    TellingState = "Sent"
	TellingGivenUp TellingState = "GivenUp"
)
