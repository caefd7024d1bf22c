// Package absent tells the two meanings of "not found" apart: that an object does not exist, and that whoever answered does not know its kind. A server that
// starts, or stands in for another, says the second with the same code as the first. Only the first may be believed of an object: what is believed to be gone
// is forgotten, or made anew.
package absent

import (
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Object reports whether the answer to a request says that its object does not exist.
func Object(err error) bool { return apierrors.IsNotFound(err) && !unknown(err) }

// Kind reports whether the answer to a request says that the server does not know what was asked for, which says nothing of any object.
func Kind(err error) bool { return apierrors.IsNotFound(err) && unknown(err) }

// Ignore returns nil for an answer that says that the object does not exist, and any other error as it is.
func Ignore(err error) error {
	if Object(err) {
		return nil
	}
	return err
}

// unknown recognises both ways of saying so: client-go marks a 404 whose body is no Status, and servers send a Status with these words.
func unknown(err error) bool {
	return apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse) || strings.Contains(err.Error(), "could not find the requested resource")
}
