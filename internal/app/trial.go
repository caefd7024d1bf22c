package app

import (
	"time"
)

// Trial is one proof that a release has to give once it is healthy. Exactly one of HTTP, Job, Metric, Webhook and CEL is set.
type Trial struct {
	// Name is what it is called; empty: by what it does.
	Name string
	// For is how long it has to keep passing; 0: once is enough.
	For time.Duration
	// Interval is how often it is tried; 0: as often as is usual.
	Interval time.Duration
	// Forgiven is how many failures are forgiven; nil: as many as is usual.
	Forgiven *int32

	HTTP    *HTTPTrial
	Job     *JobTrial
	Metric  *MetricTrial
	Webhook *WebhookTrial
	CEL     *CELTrial
}

// Target is a Service, or Pods, that are reached through the API server. The zero Target is neither.
type Target struct {
	Service string
	Labels  map[string]string // of Pods, if there is no Service
	// Namespace is where they are; empty: where the app's objects live.
	Namespace string
	Port      string // number or name
	Scheme    string // empty: http
}

// IsZero reports whether there is no target.
func (t Target) IsZero() bool { return t.Service == "" && len(t.Labels) == 0 }

// HTTPTrial asks what an app serves: at a URL, or at Path of a Target.
type HTTPTrial struct {
	URL    string
	Target Target
	Path   string

	Status            []int // empty: 200 to 299
	Contains, Matches string
	Headers           []HeaderTrial
	Each, P95         time.Duration // 0: not bounded
	Timeout           time.Duration // 0: as is usual
	Secret            string        // beside the Environment; empty: none
}

// HeaderTrial is a header that has to be in an answer, with any value if Value is empty.
type HeaderTrial struct{ Name, Value string }

// JobTrial runs a Job of the app's directory.
type JobTrial struct{ Name string }

// MetricTrial asks a Prometheus, at a URL or a Target, for a number. A bound that is nil does not count.
type MetricTrial struct {
	URL    string
	Target Target
	Query  string

	AtMost, AtLeast, RatioAtMost, RatioAtLeast *float64
	Secret                                     string // beside the Environment; empty: none
}

// WebhookTrial asks somebody else.
type WebhookTrial struct {
	URL    string
	Secret string // beside the Environment; empty: none
}

// CELTrial looks at objects of the app: the one of a name, or all of a kind.
type CELTrial struct {
	APIVersion, Kind, Name string
	Expressions            []string
}
