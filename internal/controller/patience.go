package controller

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The first wait for an API server that does not answer when a process starts, and the longest: each is twice the one before.
const (
	shortPatience = 250 * time.Millisecond
	longPatience  = 5 * time.Second
)

// patiently does what a process begins with until the API server answers. An answer is final, be it an error: a right that is missing does not come by itself.
func patiently(ctx context.Context, log *slog.Logger, host string, f func(context.Context) error) error {
	for wait := shortPatience; ; wait = min(2*wait, longPatience) {
		err := f(ctx)
		if err == nil || !isAway(err) {
			return err
		}
		log.WarnContext(ctx, "the API server does not answer; trying again", "server", host, "after", wait, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// isAway reports whether an error says that nobody answered, or that somebody cannot now. A server that is not the one that was meant is neither.
func isAway(err error) bool {
	var certificate *tls.CertificateVerificationError
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &certificate):
		return false
	case errors.As(err, &status):
		code := status.Status().Code
		return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests
	}
	return true
}
