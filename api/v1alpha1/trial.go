package v1alpha1

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Trial is one proof that a release has to give once it is healthy: exactly one of http, job, metric, webhook or cel. A release is verified when all its trials
// have passed, and refuted by the first that fails. What cannot be asked (a Prometheus that does not answer, a right that is missing) proves nothing: it is
// asked again until the deadline of the release.
//
// +kubebuilder:validation:XValidation:rule="[has(self.http), has(self.job), has(self.metric), has(self.webhook), has(self.cel)].filter(x, x).size() == 1",message="exactly one of http, job, metric, webhook or cel must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.job) || !has(self.__for__) && !has(self.interval) && !has(self.forgiven)",message="a job runs once for each release: it takes no for, interval or forgiven"
// +kubebuilder:validation:XValidation:rule="!has(self.http) || !has(self.http.latency) || !has(self.http.latency.p95) || has(self.__for__)",message="latency.p95 speaks of many answers: say in for how long to ask"
type Trial struct {
	// Name is what the trial is called where it is spoken of. Without one it is called by what it does.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`

	// HTTP asks what the app serves.
	HTTP *HTTPTrial `json:"http,omitempty"`
	// Job runs a Job from the app's own directory, a smoke test, anew for each release.
	Job *JobTrial `json:"job,omitempty"`
	// Metric asks Prometheus.
	Metric *MetricTrial `json:"metric,omitempty"`
	// Webhook asks somebody else, whose answer decides.
	Webhook *WebhookTrial `json:"webhook,omitempty"`
	// CEL looks at objects of the app.
	CEL *CELTrial `json:"cel,omitempty"`

	// For is how long it has to keep passing, counted from the first time that it did: time in which it could not be asked does not count. Without it, to
	// pass once is enough.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('24h')",message="for must be more than 0s and at most 24h"
	For *metav1.Duration `json:"for,omitempty"`

	// Interval is how often it is tried. Without it, every 10s.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="interval must be at least 1s and at most 1h"
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Forgiven is how many failures are forgiven, from the first try on: one more refutes the release. Without it, 2.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Forgiven *int32 `json:"forgiven,omitempty"`
}

// HTTPTrial asks what an app serves, and looks at the answer. Redirects are not followed: they are answers.
//
// +kubebuilder:validation:XValidation:rule="[has(self.url), has(self.service), has(self.pods)].filter(x, x).size() == 1",message="exactly one of url, service or pods must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.url) || !has(self.path)",message="path belongs to service and pods: with url it is part of the url"
// +kubebuilder:validation:XValidation:rule="!has(self.secretRef) || has(self.url)",message="secretRef needs url: the API server passes no credentials on to a service or a pod"
type HTTPTrial struct {
	// URL is asked from where Fairlead runs, with its network. {app}, {namespace} (where the app's objects live) and {environment} are replaced. Addresses of
	// the machine itself and of its link (127.0.0.0/8, 169.254.0.0/16 and the like) are not asked.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^/@?# ]+([/?][^# ]*)?$`
	URL string `json:"url,omitempty"`

	// Service is asked through the API server, as the environment's ServiceAccount: it needs the right to get services/proxy.
	Service *ServiceTarget `json:"service,omitempty"`

	// Pods are asked through the API server, each that is ready, as the environment's ServiceAccount: it needs the rights to list pods and to get pods/proxy.
	Pods *PodsTarget `json:"pods,omitempty"`

	// Path is asked of a service or of pods; "/" without it. {app}, {namespace} and {environment} are replaced.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^/[^# ]*$`
	Path string `json:"path,omitempty"`

	// Status are the status codes that are right. Without it, 200 to 299.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:Minimum=100
	// +kubebuilder:validation:items:Maximum=599
	Status []int32 `json:"status,omitempty"`

	// Contains is what the body has to contain; of a body the first MiB is read.
	//
	// +kubebuilder:validation:MaxLength=1024
	Contains string `json:"contains,omitempty"`

	// Matches is a regular expression (RE2) that has to match somewhere in the body.
	//
	// +kubebuilder:validation:MaxLength=1024
	Matches string `json:"matches,omitempty"`

	// Headers have to be in the answer.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Headers []HeaderTrial `json:"headers,omitempty"`

	// Latency bounds how long an answer may take.
	Latency *Latency `json:"latency,omitempty"`

	// Timeout is after how long an answer no longer counts. Without it, 10s.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('1m')",message="timeout must be more than 0s and at most 1m"
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// SecretRef names a Secret beside the Environment. Keys: `bearerToken`, which is sent along, and `ca.crt` (PEM bundle that signs the server); both optional.
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}

// ServiceTarget is a Service that is reached through the API server.
type ServiceTarget struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9{]([-a-z0-9{}]*[a-z0-9}])?$`
	Name string `json:"name"`
	// Namespace is where the Service is. Without it, where the app's objects live.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`
	// Port is the number or the name of a port of the Service.
	//
	// +kubebuilder:validation:XIntOrString
	Port intstr.IntOrString `json:"port"`
	// +kubebuilder:default=http
	// +kubebuilder:validation:Enum=http;https
	Scheme string `json:"scheme,omitempty"`
}

// PodsTarget are Pods that are reached through the API server, one after the other. At most 20 are asked.
type PodsTarget struct {
	// Labels are those that the Pods have.
	//
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=20
	Labels map[string]string `json:"labels"`
	// Namespace is where the Pods are. Without it, where the app's objects live.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`
	// +kubebuilder:default=http
	// +kubebuilder:validation:Enum=http;https
	Scheme string `json:"scheme,omitempty"`
}

// HeaderTrial is a header that has to be in an answer.
type HeaderTrial struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]+$`
	Name string `json:"name"`
	// Value is what it has to be. Without it, the header has only to be there.
	//
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value,omitempty"`
}

// Latency bounds how long answers may take, from the first byte that is sent to the last that is read.
//
// +kubebuilder:validation:XValidation:rule="has(self.each) || has(self.p95)",message="at least one of each or p95 must be set"
type Latency struct {
	// Each answer that takes longer is a failure.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="each must be more than 0s"
	Each *metav1.Duration `json:"each,omitempty"`
	// P95 is what 95 of 100 answers have to stay within, of all that come while it has to keep passing (for). Fewer than 20 answers have all to stay within it.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="p95 must be more than 0s"
	P95 *metav1.Duration `json:"p95,omitempty"`
}

// JobTrial is a smoke test: a Job in the app's own directory with the annotation fairlead.dev/apply: never, so that it is not applied with the app. It is made
// for each release, under a name of its own, as the environment's ServiceAccount, and passes when it completes. Without ttlSecondsAfterFinished it is deleted an
// hour after it has finished, and at once when a newer release begins.
type JobTrial struct {
	// Name is that of the Job in the app's directory.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
}

// MetricTrial asks Prometheus for one number. A query that yields several has the one that is furthest off count; one that yields none proves nothing, and is
// asked again until the deadline of the release: write "… or vector(0)" if nothing means 0.
//
// +kubebuilder:validation:XValidation:rule="[has(self.prometheus), has(self.service)].filter(x, x).size() == 1",message="exactly one of prometheus or service must be set"
// +kubebuilder:validation:XValidation:rule="has(self.atMost) || has(self.atLeast) || has(self.ratioAtMost) || has(self.ratioAtLeast)",message="at least one of atMost, atLeast, ratioAtMost or ratioAtLeast must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.secretRef) || has(self.prometheus)",message="secretRef needs prometheus: the API server passes no credentials on to a service"
type MetricTrial struct {
	// Prometheus is the address of a Prometheus, or of what speaks as one, asked from where Fairlead runs: /api/v1/query is added to it.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^/@?# ]+(/[^?# ]*)?$`
	Prometheus string `json:"prometheus,omitempty"`

	// Service is the Service of a Prometheus, asked through the API server as the environment's ServiceAccount: it needs the right to get services/proxy.
	Service *ServiceTarget `json:"service,omitempty"`

	// Query is in PromQL. {app}, {namespace} and {environment} are replaced.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query"`

	// AtMost is the most that it may be.
	AtMost *Number `json:"atMost,omitempty"`
	// AtLeast is the least that it may be.
	AtLeast *Number `json:"atLeast,omitempty"`
	// RatioAtMost is how many times as much as before the release it may be at most, for example 2. Prometheus is asked for what it was when the release began
	// to be applied. Without a value then, or with 0, there is nothing to compare with, and this says nothing.
	RatioAtMost *Number `json:"ratioAtMost,omitempty"`
	// RatioAtLeast is how many times as much as before the release it has to be at least, for example 0.5.
	RatioAtLeast *Number `json:"ratioAtLeast,omitempty"`

	// SecretRef names a Secret beside the Environment. Keys: `bearerToken`, which is sent along, and `ca.crt` (PEM bundle that signs the server); both optional.
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}

// WebhookTrial asks somebody else. Fairlead posts JSON: app, namespace, environment, destination, serial, revision. The answer decides: a JSON object whose
// `verdict` is Passed, Refuted or Pending, with a `reason`. Without one, 200 and 204 pass, 202 is asked again, and other codes from 400 to 499 are failures.
type WebhookTrial struct {
	// URL is asked from where Fairlead runs. {app}, {namespace} and {environment} are replaced.
	//
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://[^/@?# ]+([/?][^# ]*)?$`
	URL string `json:"url"`

	// SecretRef names a Secret beside the Environment. Keys: `hmacKey`, by which the request is signed: the header X-Fairlead-Signature is "sha256=" and the
	// HMAC-SHA256 of the body in hexadecimal digits; `bearerToken`, which is sent along; and `ca.crt` (PEM bundle that signs the server). All are optional.
	SecretRef *LocalReference `json:"secretRef,omitempty"`
}

// CELTrial looks at live objects of the app with the rights of the environment's ServiceAccount.
type CELTrial struct {
	// Of names the objects that are looked at: one of the app's objects, or all of a kind.
	Of ObjectsOf `json:"of"`

	// Expressions have all to be true. They are CEL with the variables `objects`, a list of those objects in the order of their names, and `object`, the first of
	// them. What an object does not have makes an expression false.
	//
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=4096
	Expressions []string `json:"expressions"`
}

// ObjectsOf names objects of an app.
type ObjectsOf struct {
	// APIVersion and Kind are those in Git.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion"`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// Name is that of the one object. Without it, all of the kind are looked at, at most 50.
	//
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// Number is a decimal number, kept as it was written.
//
// +kubebuilder:validation:Type=number
type Number string

// MarshalJSON writes the number.
func (n Number) MarshalJSON() ([]byte, error) { return json.Marshal(json.Number(n)) }

// UnmarshalJSON reads a number.
func (n *Number) UnmarshalJSON(data []byte) error {
	var number json.Number
	if err := json.Unmarshal(data, &number); err != nil || len(data) > 0 && data[0] == '"' {
		return fmt.Errorf("%.40s is not a number", data)
	}
	*n = Number(number)
	return nil
}
