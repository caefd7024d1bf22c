package git

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// statusError says what a status of HTTP other than 200 means for a person. It reads no body but where a forge says in plain words why it takes no push.
func statusError(resp *http.Response, s service, secret string) error {
	host := resp.Request.URL.Host
	err := fmt.Errorf("ask %s: %s", host, resp.Status)
	if text := plainWords(resp); s == receive && text != "" {
		err = fmt.Errorf("%w: the server says %q", err, text)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusUnauthorized && resp.Request.Header.Get("Authorization") == "":
		return fault.Newf(fault.Denied, "%w: it wants credentials: name a Secret with the keys username and password, or bearerToken, in %s", err, secret)
	case code == http.StatusUnauthorized:
		return fault.Newf(fault.Denied, "%w: the credentials were not accepted: check the keys username and password, or bearerToken, of the Secret in %s", err, secret)
	case code == http.StatusForbidden && resp.Header.Get("Retry-After") == "":
		return fault.Newf(fault.Denied, "%w: the credentials (keys username and password, or bearerToken, of the Secret in %s) may not %s this repository", err, secret, s.may)
	case code == http.StatusNotFound:
		return fault.Newf(fault.Denied, "%w: there is no such repository, or it is hidden from these credentials: check spec.url, and the Secret in %s", err, secret)
	case code == http.StatusTooManyRequests, code == http.StatusForbidden, code >= 500, code == http.StatusRequestTimeout:
		return &fault.Error{Kind: fault.Transient, Err: err, After: retryAfter(resp.Header.Get("Retry-After"), resp.Header.Get("Date"))}
	case code >= 300 && code < 400:
		return fault.Newf(fault.Invalid, "%w: the server redirects a request that may not be redirected: check spec.url", err)
	}
	return fault.Newf(fault.Invalid, "%w: check spec.url", err)
}

// plainWords are the first words of an answer that is plain text, in one line.
func plainWords(resp *http.Response) string {
	const most = 300
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind != "text/plain" {
		return ""
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, most)) // what came is said
	var t tail
	_, _ = t.Write(text)
	return strings.TrimSpace(t.String())
}

// retryAfter reads seconds or a date. A date counts from the server's own clock, where it says what that is.
func retryAfter(text, date string) time.Duration {
	const longest = 24 * time.Hour
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(min(max(0, seconds), int64(longest/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(date)
	if err != nil {
		now = time.Now()
	}
	return min(max(0, at.Sub(now)), longest)
}

// networkError says what kept a request from being answered. It drops the URL that the http package puts before it.
func networkError(host string, err error, secret string) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var (
		unknown  x509.UnknownAuthorityError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		notHTTPS tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("ask %s: %w", host, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Newf(fault.Transient, "ask %s: no answer in time: %w", host, err)
	case errors.As(err, &unknown):
		return fault.Newf(fault.Denied, "ask %s: the server's certificate is signed by an authority that is not trusted: put the authority's certificate (PEM) into the key ca.crt of the Secret in %s: %w", host, secret, err)
	case errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &verify):
		return fault.Newf(fault.Denied, "ask %s: the server's certificate is not valid for it: %w", host, err)
	case errors.As(err, &notHTTPS):
		return fault.Newf(fault.Invalid, "ask %s: the server does not speak TLS there: check the scheme and port of spec.url", host)
	}
	return fault.Newf(fault.Transient, "ask %s: %w", host, err)
}
