package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// Options are the bounds of what is fetched. A zero field stands for its default.
type Options struct {
	Timeout  time.Duration // of one look or fetch whose context has no deadline: 2 minutes
	MaxIndex int64         // bytes of an index.yaml: 64 MiB
	MaxBlob  int64         // bytes of a chart: 32 MiB; of an artifact twice as many
	MaxCache int64         // bytes of all blobs of charts on the disk: 2 GiB

	// Proxy chooses a proxy, as http.Transport has it; nil means none.
	Proxy func(*http.Request) (*url.URL, error)
	// OnRequest is called before each request: "index", "chart", "oci".
	OnRequest func(kind string)
	// Now is the clock; nil is the machine's.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, 2*time.Minute)
	o.MaxIndex = cmp.Or(o.MaxIndex, 64<<20)
	o.MaxBlob = cmp.Or(o.MaxBlob, 32<<20)
	o.MaxCache = cmp.Or(o.MaxCache, 2<<30)
	if o.OnRequest == nil {
		o.OnRequest = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// newClient makes what requests with one access go through. Redirects are followed, but not away from TLS.
func newClient(a Access, o Options) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(a.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(a.CA) {
			return nil, fault.Newf(fault.Invalid, "read ca.crt of the Secret in %s: it holds no PEM certificate", a.field())
		}
	}
	return &http.Client{Transport: &careful{insecure: a.Insecure, next: &http.Transport{
		Proxy: o.Proxy, TLSClientConfig: config, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 20 * time.Second,
		IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 2, ResponseHeaderTimeout: time.Minute,
	}}}, nil
}

// careful sends nothing in the clear unless that was asked for, and hears when a server asks to be left alone.
type careful struct {
	insecure bool
	next     *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (c *careful) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !c.insecure {
		return nil, fault.Newf(fault.Denied, "ask %s: it would be reached without TLS, which is refused unless insecure is set where its address stands", r.URL.Host)
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if code := resp.StatusCode; code == http.StatusTooManyRequests || code >= 500 || code == http.StatusRequestTimeout {
		_ = resp.Body.Close()
		err := fmt.Errorf("ask %s: %s", r.URL.Host, resp.Status)
		return nil, &fault.Error{Kind: fault.Transient, Err: err, After: retryAfter(resp.Header.Get("Retry-After"))}
	}
	return resp, nil
}

// CloseIdleConnections is called by http.Client.
func (c *careful) CloseIdleConnections() { c.next.CloseIdleConnections() }

// retryAfter reads a number of seconds; 0 if there is none.
func retryAfter(text string) time.Duration {
	const longest = 24 * time.Hour
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(min(max(0, seconds), int64(longest/time.Second))) * time.Second
}

// readAll reads an answer to its end, unless it is larger than most.
func readAll(r io.Reader, most int64, what string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fault.Newf(fault.Transient, "read %s: %w", what, err)
	}
	if int64(len(data)) > most {
		return nil, fault.Newf(fault.Invalid, "the %s is larger than %d MiB", what, most>>20)
	}
	return data, nil
}

// classify gives an error of a request its kind, and a remedy. It drops the address that the http package puts before it.
func classify(host string, err error, a Access) error {
	var (
		wrapped  *url.Error
		status   *errcode.ErrorResponse
		unknown  x509.UnknownAuthorityError
		verify   *tls.CertificateVerificationError
		notHTTPS tls.RecordHeaderError
	)
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	switch {
	case err == nil:
		return nil
	case fault.KindOf(err) != fault.Internal:
		return err
	case errors.As(err, &status):
		return statusError(host, status.StatusCode, a)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return statusError(host, http.StatusUnauthorized, a)
	case errors.Is(err, errdef.ErrNotFound):
		return statusError(host, http.StatusNotFound, a)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("ask %s: %w", host, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Newf(fault.Transient, "ask %s: no answer in time", host)
	case errors.As(err, &unknown):
		return fault.Newf(fault.Denied, "ask %s: its certificate is signed by an authority that is not trusted: put the authority's certificate (PEM) into the key ca.crt of the Secret in %s", host, a.field())
	case errors.As(err, &verify):
		return fault.Newf(fault.Denied, "ask %s: its certificate is not valid for it: %w", host, err)
	case errors.As(err, &notHTTPS):
		return fault.Newf(fault.Invalid, "ask %s: it does not speak TLS there: check the address, or set insecure beside it", host)
	case errors.Is(err, errdef.ErrSizeExceedsLimit), errors.Is(err, errdef.ErrTooManyPages), errors.Is(err, errdef.ErrInvalidReference), errors.Is(err, errdef.ErrUnsupported):
		return fault.Newf(fault.Invalid, "ask %s: %w", host, err)
	}
	return fault.Newf(fault.Transient, "ask %s: %w", host, err)
}

// statusError says what a status of HTTP means for a person.
func statusError(host string, code int, a Access) error {
	err := &answered{host, code}
	switch {
	case code == http.StatusUnauthorized && a.anonymous():
		return fault.Newf(fault.Denied, "%w: it wants credentials: name a Secret with the keys username and password, or .dockerconfigjson, in %s", err, a.field())
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fault.Newf(fault.Denied, "%w: the credentials of the Secret in %s were not accepted, or may not read this", err, a.field())
	case code == http.StatusNotFound:
		return fault.Newf(fault.Invalid, "%w: there is no such thing, or it is hidden from these credentials: check the address, and the Secret in %s", err, a.field())
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return fault.New(fault.Transient, err)
	}
	return fault.Newf(fault.Invalid, "%w: check the address", err)
}

// answered is an answer of HTTP other than the one that was asked for.
type answered struct {
	host string
	code int
}

// Error says which.
func (a *answered) Error() string {
	return fmt.Sprintf("ask %s: %d %s", a.host, a.code, http.StatusText(a.code))
}

// isAbsent reports whether an error is that there is no such thing.
func isAbsent(err error) bool {
	var a *answered
	return errors.As(err, &a) && a.code == http.StatusNotFound
}
