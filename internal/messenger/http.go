package messenger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/notify"
)

// mostBody is how much of an answer is read, in bytes.
const mostBody = 4 << 20

// credentials are what a Secret says of somebody who is told.
type credentials struct {
	bearer, hmacKey string
	roots           *x509.CertPool // nil: those of the machine
}

// credentials reads a Secret beside the Notifier; without one there are none. What it sends along is under the key token.
func (m *Messenger) credentials(ctx context.Context, n *v1alpha1.Notifier, ref *v1alpha1.LocalReference, token string) (credentials, error) {
	if ref == nil {
		return credentials{}, nil
	}
	data, err := m.Secret(ctx, n.Namespace, ref.Name)
	if err != nil {
		return credentials{}, err
	}
	c := credentials{bearer: strings.TrimSpace(string(data[token])), hmacKey: string(data["hmacKey"])}
	if strings.ContainsAny(c.bearer, "\r\n") {
		return credentials{}, fault.Newf(fault.Invalid, "%s of Secret %s/%s has more than one line", token, n.Namespace, ref.Name)
	}
	if pem := data["ca.crt"]; len(pem) > 0 {
		c.roots = x509.NewCertPool()
		if !c.roots.AppendCertsFromPEM(pem) {
			return credentials{}, fault.Newf(fault.Invalid, "ca.crt of Secret %s/%s holds no certificate", n.Namespace, ref.Name)
		}
	}
	return c, nil
}

// hide takes what is secret out of a text that somebody else wrote.
func (c credentials) hide(text string) string {
	for _, secret := range []string{c.bearer, c.hmacKey} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}

// answer is what came back. The body has nothing of the credentials in it.
type answer struct {
	code int
	body []byte
}

// post sends JSON once. What no server answered well is an error that has nothing of the URL but the host.
func (m *Messenger) post(ctx context.Context, c credentials, to, contentType string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return answer{}, fault.New(fault.Invalid, errors.New("its URL is not valid"))
	}
	req.Header.Set("User-Agent", "fairlead-notify")
	req.Header.Set("Content-Type", contentType)
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	if c.hmacKey != "" {
		mac := hmac.New(sha256.New, []byte(c.hmacKey))
		mac.Write(body)
		req.Header.Set("X-Fairlead-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := m.client(c).Do(req)
	if err != nil {
		return answer{}, fault.Newf(fault.Transient, "%s cannot be reached: %w", req.URL.Host, reason(ctx, err))
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostBody+1))
	switch {
	case err != nil:
		return answer{}, fault.Newf(fault.Transient, "%s broke off: %w", req.URL.Host, reason(ctx, err))
	case len(data) > mostBody:
		return answer{}, fault.Newf(fault.Transient, "the answer of %s is larger than %d MiB", req.URL.Host, mostBody>>20)
	}
	a := answer{resp.StatusCode, []byte(c.hide(string(data)))}
	if a.code/100 == 2 {
		return a, nil
	}
	e := &fault.Error{Kind: fault.Denied, Err: fmt.Errorf("%s answered %d", req.URL.Host, a.code), After: m.after(resp.Header.Get("Retry-After"))}
	if a.code >= 500 || a.code == http.StatusTooManyRequests || a.code == http.StatusRequestTimeout {
		e.Kind = fault.Transient
	}
	return a, e
}

// after is what Retry-After asks for: seconds, or a date.
func (m *Messenger) after(text string) time.Duration {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return time.Duration(min(n, 86400)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(m.Now()))
	}
	return 0
}

// webhook posts a CloudEvent.
func (m *Messenger) webhook(ctx context.Context, n *v1alpha1.Notifier, msg notify.Message) error {
	w := n.Spec.Webhook
	c, err := m.credentials(ctx, n, w.SecretRef, "bearerToken")
	if err != nil {
		return err
	}
	body, err := notify.CloudEvent(n, msg)
	if err != nil {
		return fault.New(fault.Internal, err)
	}
	_, err = m.post(ctx, c, w.URL, "application/cloudevents+json; charset=utf-8", body)
	return err
}

// teams posts a card to a workflow, whose address is a secret.
func (m *Messenger) teams(ctx context.Context, n *v1alpha1.Notifier, msg notify.Message) error {
	ref := n.Spec.Teams.SecretRef
	data, err := m.Secret(ctx, n.Namespace, ref.Name)
	if err != nil {
		return err
	}
	to, err := url.Parse(strings.TrimSpace(string(data["url"])))
	if err != nil || to.Host == "" || to.User != nil || to.Scheme != "https" && to.Scheme != "http" {
		return fault.Newf(fault.Invalid, "url of Secret %s/%s is not the address of a workflow", n.Namespace, ref.Name)
	}
	c, err := m.credentials(ctx, n, &ref, "")
	if err != nil {
		return err
	}
	body, err := notify.Card(n, msg)
	if err != nil {
		return fault.New(fault.Internal, err)
	}
	_, err = m.post(ctx, credentials{roots: c.roots}, to.String(), "application/json; charset=utf-8", body)
	return err
}

// reason is an error without the URL, whose query may hold what nobody is to see.
func reason(ctx context.Context, err error) error {
	if at := (*url.Error)(nil); errors.As(err, &at) {
		err = at.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("nothing came within %s", timeout)
	}
	return err
}

// dialer connects to no address that may not be asked.
func (m *Messenger) dialer() *net.Dialer {
	return &net.Dialer{Timeout: timeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err == nil && !m.May(at.Addr()) {
			err = fmt.Errorf("its address %s is of the machine, its link or its cloud, which are not asked", at.Addr())
		}
		return err
	}}
}

// client is one that connects anew each time, follows no redirect, and asks no address that it may not.
func (m *Messenger) client(c credentials) *http.Client {
	carry := m.Carry
	if carry == nil {
		carry = &http.Transport{
			DialContext: m.dialer().DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12},
		}
	}
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: carry}
}
