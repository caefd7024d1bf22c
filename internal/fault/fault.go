// Package fault names the kinds of failure that Fairlead tells apart.
//
// The edge (Git, the API server, a parser) classifies an error once, where it knows what happened; the middle wraps
// it with what it was doing; only the ways in ask [KindOf] and decide: retry, wait for a person, or report a bug.
// An outcome that was to be expected (an unhealthy object, a held delete) is data, never an error.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind says who has to do what before trying again can help.
type Kind uint8

// The kinds. The zero value is Internal, so that an unclassified error is our bug until someone classifies it.
const (
	// Internal is a broken invariant or an error nobody classified.
	Internal Kind = iota
	// Invalid needs a change by the user: trying the same input again gives the same answer.
	Invalid
	// Denied needs a right, a key or a signature that is missing.
	Denied
	// Conflict needs a fresh look: someone else was faster.
	Conflict
	// Transient passes by itself: back off and try again.
	Transient
)

// String names the kind as it appears in logs and metrics.
func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case Denied:
		return "denied"
	case Conflict:
		return "conflict"
	case Transient:
		return "transient"
	case Internal:
		return "internal"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is an error with its kind. Its text is that of the error it holds.
type Error struct {
	Kind Kind
	Err  error
	// After is how long the other side asked to be left alone; zero if it did not say.
	After time.Duration
}

// Error returns the text of the held error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the held error.
func (e *Error) Unwrap() error { return e.Err }

// New gives err a kind. It returns nil for a nil err.
func New(kind Kind, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: kind, Err: err}
}

// Newf is New over fmt.Errorf.
func Newf(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

// KindOf returns the kind of the outermost classified error in err's chain, Internal if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// After returns how long to wait before the next try as the other side asked for it; zero if it did not.
func After(err error) time.Duration {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return 0
		}
		if e.After > 0 {
			return e.After
		}
		err = e.Err
	}
	return 0
}
