package kube

import (
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Request is what somebody asks of the server.
type Request struct {
	// Number counts the requests of a server, from 1.
	Number int
	// User asks; empty is somebody with all rights. Agent is the program that he asks with.
	User, Agent string
	// Verb is get, list, watch, create, update, patch, apply, delete, deletecollection or discover.
	Verb                         string
	Resource                     schema.GroupVersionResource
	Subresource, Namespace, Name string
	DryRun                       bool
}

// Write reports whether the request may change something.
func (r Request) Write() bool {
	switch r.Verb {
	case "get", "list", "watch", "discover":
		return false
	}
	return !r.DryRun
}

func (r Request) String() string {
	words := []string{r.Verb, strings.Trim(r.Resource.GroupResource().String()+"/"+r.Subresource, "/")}
	if r.Namespace != "" || r.Name != "" {
		words = append(words, strings.TrimPrefix(r.Namespace+"/"+r.Name, "/"))
	}
	if r.DryRun {
		words = append(words, "(dry run)")
	}
	return strings.Join(words, " ")
}

// Verdict says how a request fares. The zero Verdict is: as it should.
type Verdict struct {
	// Refuse is answered instead: nothing is done.
	Refuse error
	// Lose is answered after all is done, and so the answer is lost.
	Lose error
	// After is called when all is done, before it is answered. An error is answered instead.
	After func() error
	// AsOf lets a get or a list answer with what was at this revision, as a cache that lags behind. 0 is now.
	AsOf int64
	// Omit leaves objects out of a list that says nothing of it. Nil leaves out none.
	Omit func(namespace, name string) bool
}

// Error is an answer that the server gives on its own account: a status with a code and a reason, such as 500 or 429.
func Error(code int, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message}}
}

// internal is the answer to a request that failed without a status of its own.
func internal(err error) error {
	return Error(http.StatusInternalServerError, metav1.StatusReasonUnknown, err.Error())
}

// serve lets a request have its fate. The lock is held while do runs, and not while anything of the verdict does.
func serve[T any](s *Server, r Request, do func(Verdict) (T, error)) (T, error) {
	var none T
	s.mu.Lock()
	s.requests++
	r.Number = s.requests
	s.mu.Unlock()
	var v Verdict
	if s.o.Intercept != nil {
		v = s.o.Intercept(r)
	}
	if v.Refuse != nil {
		return none, v.Refuse
	}
	if s.o.Allow != nil && !s.o.Allow(r) {
		return none, r.forbidden()
	}
	out, err := func() (T, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return do(v)
	}()
	if v.After != nil {
		if lost := v.After(); lost != nil {
			return none, lost
		}
	}
	if v.Lose != nil {
		return none, v.Lose
	}
	if err != nil {
		return none, status(err)
	}
	return out, nil
}

// status makes every error one that an API server answers.
func status(err error) error {
	if _, ok := err.(apierrors.APIStatus); ok {
		return err
	}
	return internal(err)
}

// forbidden words a missing right as the RBAC authorizer does.
func (r Request) forbidden() error {
	verb := r.Verb
	if verb == "apply" {
		verb = "patch"
	}
	where := "at the cluster scope"
	if r.Namespace != "" {
		where = fmt.Sprintf("in the namespace %q", r.Namespace)
	}
	return apierrors.NewForbidden(r.Resource.GroupResource(), r.Name, fmt.Errorf("User %q cannot %s resource %q in API group %q %s", //nolint:staticcheck // its words
		r.User, verb, strings.Trim(r.Resource.Resource+"/"+r.Subresource, "/"), r.Resource.Group, where))
}
