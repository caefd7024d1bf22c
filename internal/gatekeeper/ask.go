package gatekeeper

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
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
	"unicode"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/gate"
	"github.com/fairlead-cd/fairlead/internal/verify"
)

// What is read of an answer at most, in bytes, and what is shown of it, in characters.
const (
	mostBody = 1 << 20
	mostSaid = 200
)

// mark asks the forge.
func (k *Keeper) mark(ctx context.Context, l *line) (gate.Answer, error) {
	name := l.gate.CommitStatus.Context
	m, err := k.Mark(ctx, l.namespace, l.repository, l.subject.Commit, name)
	if err != nil {
		return gate.Answer{}, err
	}
	says := ""
	if m.Says != "" {
		says = ": " + m.Says
	}
	switch m.State {
	case MarkSuccess:
		return gate.Answer{Open: true}, nil
	case MarkPending:
		return gate.Answer{Waits: clip(name + " is under way" + says)}, nil
	case MarkFailure:
		return gate.Answer{Waits: clip(name + " failed" + says)}, nil
	}
	return gate.Answer{Waits: clip("the forge shows no " + name + " beside commit " + l.subject.Commit[:min(8, len(l.subject.Commit))] + " yet")}, nil
}

// metric asks a Prometheus.
func (k *Keeper) metric(ctx context.Context, l *line) (gate.Answer, error) {
	m := l.gate.Metric
	t := verify.Trial{Trial: app.Trial{Metric: &app.MetricTrial{}}}
	for _, b := range []struct {
		from *v1alpha1.Number
		to   **float64
	}{{m.AtMost, &t.Metric.AtMost}, {m.AtLeast, &t.Metric.AtLeast}} {
		if b.from == nil {
			continue
		}
		f, err := strconv.ParseFloat(string(*b.from), 64)
		if err != nil {
			return gate.Answer{}, fmt.Errorf("%.32q is no number", string(*b.from))
		}
		*b.to = &f
	}
	what := url.Values{"query": {fill(m.Query, l.subject)}}
	code, body, err := k.send(ctx, l, http.MethodGet, strings.TrimSuffix(m.Prometheus, "/")+"/api/v1/query?"+what.Encode(), m.SecretRef, nil)
	if err != nil {
		return gate.Answer{}, err
	}
	values, why := verify.ReadPrometheus(verify.Answer{Status: code, Body: body})
	if why != "" {
		return gate.Answer{}, errors.New(why)
	}
	o := t.OfMetric(values, nil)
	if o.Says == verify.Good {
		return gate.Answer{Open: true}, nil
	}
	return gate.Answer{Waits: clip("the metric " + o.What)}, nil
}

// service asks a service of the user's.
func (k *Keeper) service(ctx context.Context, l *line) (gate.Answer, error) {
	s := l.subject
	body, err := json.Marshal(map[string]string{
		"app": s.App, "namespace": s.Namespace, "environment": s.Environment, "destination": s.Destination, "commit": s.Commit, "author": s.Author,
	})
	if err != nil {
		return gate.Answer{}, err
	}
	code, data, err := k.send(ctx, l, http.MethodPost, fill(l.gate.HTTP.URL, s), l.gate.HTTP.SecretRef, body)
	if err != nil {
		return gate.Answer{}, err
	}
	var said struct {
		Open  *bool     `json:"open"`
		Waits string    `json:"waits"`
		Until time.Time `json:"until"`
	}
	err = json.Unmarshal(data, &said)
	until := ""
	if !said.Until.IsZero() {
		until = ", until " + said.Until.UTC().Format("2006-01-02 15:04 MST")
	}
	switch {
	case code != http.StatusOK:
		return gate.Answer{}, fmt.Errorf("%s answered %d", host(l.gate.HTTP.URL), code)
	case err != nil || said.Open == nil:
		return gate.Answer{}, fmt.Errorf(`the answer of %s is not {"open": true} or {"open": false, "waits": "…"}`, host(l.gate.HTTP.URL))
	case *said.Open:
		return gate.Answer{Open: true}, nil
	case said.Waits == "":
		return gate.Answer{Waits: host(l.gate.HTTP.URL) + " keeps it closed" + until, Until: said.Until}, nil
	}
	return gate.Answer{Waits: clip(host(l.gate.HTTP.URL)+" waits: "+said.Waits) + until, Until: said.Until}, nil
}

// credentials are what a Secret says of somebody who is asked.
type credentials struct {
	bearer, hmacKey string
	roots           *x509.CertPool // nil: those of the machine
}

func (k *Keeper) credentials(ctx context.Context, namespace string, ref *v1alpha1.LocalReference) (credentials, error) {
	if ref == nil {
		return credentials{}, nil
	}
	data, err := k.Secret(ctx, namespace, ref.Name)
	if err != nil {
		return credentials{}, err
	}
	c := credentials{bearer: strings.TrimSpace(string(data["bearerToken"])), hmacKey: string(data["hmacKey"])}
	if strings.ContainsAny(c.bearer, "\r\n") {
		return credentials{}, fmt.Errorf("bearerToken of Secret %s/%s has more than one line", namespace, ref.Name)
	}
	if pem := data["ca.crt"]; len(pem) > 0 {
		c.roots = x509.NewCertPool()
		if !c.roots.AppendCertsFromPEM(pem) {
			return credentials{}, fmt.Errorf("ca.crt of Secret %s/%s holds no certificate", namespace, ref.Name)
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

// send asks once. The body of the answer has nothing of the credentials in it.
func (k *Keeper) send(ctx context.Context, l *line, method, to string, ref *v1alpha1.LocalReference, body []byte) (int, []byte, error) {
	c, err := k.credentials(ctx, l.namespace, ref)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("its URL is not valid")
	}
	req.Header.Set("User-Agent", "fairlead-gate")
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		if c.hmacKey != "" {
			mac := hmac.New(sha256.New, []byte(c.hmacKey))
			mac.Write(body)
			req.Header.Set("X-Fairlead-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		}
	}
	resp, err := k.client(c).Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("%s cannot be reached: %w", req.URL.Host, reason(ctx, err))
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostBody+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("%s broke off: %w", req.URL.Host, reason(ctx, err))
	case len(data) > mostBody:
		return 0, nil, fmt.Errorf("the answer of %s is larger than %d MiB", req.URL.Host, mostBody>>20)
	}
	return resp.StatusCode, []byte(c.hide(string(data))), nil
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

// client is one that connects anew each time, follows no redirect, and asks no address that it may not.
func (k *Keeper) client(c credentials) *http.Client {
	dialer := &net.Dialer{Timeout: timeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err == nil && !k.May(at.Addr()) {
			err = fmt.Errorf("its address %s is of the machine, its link or its cloud, which are not asked", at.Addr())
		}
		return err
	}}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12},
		},
	}
}

func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the service"
	}
	return u.Host
}

// clip is a text of somebody else as one line of at most 200 characters.
func clip(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))), " ")
	if r := []rune(text); len(r) > mostSaid {
		return string(r[:mostSaid-1]) + "…"
	}
	return text
}
