package git

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git/wire"
)

// httpTransport reaches a server by HTTP. Callers serialise.
type httpTransport struct {
	o       Options
	service service
	base    *url.URL // as the user wrote it

	client *http.Client
	ca     [32]byte // of which the client is made
	// known is what the server said last, so that asking again costs one request and not two.
	known *greeting
}

// greeting is the answer to info/refs.
type greeting struct {
	advert wire.Advert
	base   *url.URL // after redirects
}

func newHTTP(a address, s service, o Options) (*httpTransport, error) {
	base, err := url.Parse(a.String())
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "parse repository URL: it is malformed")
	}
	return &httpTransport{o: o, service: s, base: base}, nil
}

func (t *httpTransport) forget() { t.known = nil }

func (t *httpTransport) dial(ctx context.Context, auth Auth) (session, error) {
	if err := t.prepare(auth); err != nil {
		return nil, err
	}
	if t.known != nil {
		return &httpSession{t: t, auth: auth, greeting: *t.known}, nil
	}
	g, err := t.greet(ctx, auth)
	if err != nil {
		return nil, err
	}
	if g.advert.Version == 2 { // the refs of the older versions are of the moment
		t.known = &g
	}
	return &httpSession{t: t, auth: auth, greeting: g}, nil
}

// prepare makes the client, anew if the certificates changed.
func (t *httpTransport) prepare(auth Auth) error {
	sum := sha256.Sum256(auth.CA)
	if t.client != nil && sum == t.ca {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(auth.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(auth.CA) {
			return fault.Newf(fault.Invalid, "read ca.crt: it holds no PEM certificate")
		}
	}
	t.close()
	t.ca = sum
	t.client = &http.Client{
		Transport: &http.Transport{
			Proxy: t.o.Proxy, TLSClientConfig: config, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: 20 * time.Second, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 2,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return nil
}

func (t *httpTransport) close() {
	if t.client != nil {
		t.client.CloseIdleConnections()
	}
}

// greet asks for info/refs and follows redirects.
func (t *httpTransport) greet(ctx context.Context, auth Auth) (greeting, error) {
	const suffix = "/info/refs"
	at := t.base.JoinPath(suffix)
	at.RawQuery = "service=" + t.service.name
	for range 5 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
		if err != nil {
			return greeting{}, fault.Newf(fault.Invalid, "ask %s: the address is malformed", at.Host)
		}
		t.o.OnRequest(requestInfo)
		resp, err := t.send(req, auth)
		if err != nil {
			return greeting{}, err
		}
		next, err := redirected(at, resp)
		if err != nil {
			_ = resp.Body.Close()
			return greeting{}, err
		}
		if next != nil {
			_ = resp.Body.Close()
			at = next
			continue
		}
		advert, err := t.readGreeting(resp, auth)
		base := *at
		base.Path, base.RawPath, base.RawQuery = strings.TrimSuffix(at.Path, suffix), strings.TrimSuffix(at.RawPath, suffix), ""
		return greeting{advert: advert, base: &base}, err
	}
	return greeting{}, fault.Newf(fault.Invalid, "ask %s: too many redirects", t.base.Host)
}

func (t *httpTransport) readGreeting(resp *http.Response, auth Auth) (wire.Advert, error) {
	defer func() { _ = resp.Body.Close() }()
	if err := statusError(resp, t.service, auth.field()); err != nil {
		return wire.Advert{}, err
	}
	if err := checkType(resp, "application/x-"+t.service.name+"-advertisement"); err != nil {
		return wire.Advert{}, err
	}
	body := wire.Bound(resp.Body, t.o.MaxRefs, tooLarge("list of refs", t.o.MaxRefs))
	advert, err := wire.ReadAdvert(wire.NewReader(body))
	wire.Drain(body, 4<<10)
	return advert, protocolError(err)
}

// redirected returns where the server sends us, nil if it does not.
func redirected(from *url.URL, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	to, err := resp.Location()
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "ask %s: redirect without a location", from.Host)
	}
	upgraded := from.Scheme == "http" && to.Scheme == "https"
	if to.Scheme != from.Scheme && !upgraded {
		return nil, fault.Newf(fault.Denied, "ask %s: the server redirects from %s to %s, which is refused", from.Host, from.Scheme, to.Scheme)
	}
	if !strings.HasSuffix(to.Path, "/info/refs") || to.User != nil {
		return nil, fault.Newf(fault.Invalid, "ask %s: it is no Git repository: the server redirects to %s", from.Host, to.Redacted())
	}
	return to, nil
}

// send does the request with the credentials, unless it goes to another host than the user's.
func (t *httpTransport) send(req *http.Request, auth Auth) (*http.Response, error) {
	req.Header.Set("User-Agent", "git/fairlead")
	if t.service == upload {
		req.Header.Set("Git-Protocol", "version=2")
	}
	if sameHost(t.base, req.URL) {
		if auth.BearerToken != "" {
			req.Header.Set("Authorization", "Bearer "+auth.BearerToken)
		} else if auth.Username != "" || auth.Password != "" {
			req.SetBasicAuth(auth.Username, auth.Password)
		}
		addHeaders(req.Header, auth.Headers)
	}
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, networkError(req.URL.Host, err, auth.field())
	}
	return resp, nil
}

// addHeaders adds headers as they are written, but for those that are none.
func addHeaders(to http.Header, headers []string) {
	mine := map[string]bool{}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !ok || value == "" || strings.ContainsFunc(name+value, unicode.IsControl) || strings.ContainsAny(name, " \t") {
			continue
		}
		if !mine[name] {
			to.Del(name)
		}
		mine[name] = true
		to.Add(name, value)
	}
}

func sameHost(a, b *url.URL) bool {
	if a.Host == b.Host {
		return true
	}
	return a.Hostname() == b.Hostname() && a.Scheme == "http" && b.Scheme == "https"
}

// checkType refuses what is not Git: a login page, a web page of the repository.
func checkType(resp *http.Response, want string) error {
	got, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if got == want {
		return nil
	}
	if got == "text/html" {
		return fault.Newf(fault.Invalid, "ask %s: the answer is a web page, not a Git repository: check the URL (many servers want it to end in .git)", resp.Request.URL.Host)
	}
	return fault.Newf(fault.Invalid, "ask %s: the answer is of type %q, not that of a smart Git server: check the URL", resp.Request.URL.Host, got)
}

// httpSession is one exchange over HTTP: every request stands alone.
type httpSession struct {
	t        *httpTransport
	auth     Auth
	greeting greeting
}

func (s *httpSession) advert() wire.Advert { return s.greeting.advert }
func (s *httpSession) close()              {}

func (s *httpSession) ask(ctx context.Context, kind string, request []byte) (io.ReadCloser, error) {
	at := s.greeting.base.JoinPath(s.t.service.name)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(request))
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "ask %s: the address is malformed", at.Host)
	}
	req.Header.Set("Content-Type", "application/x-"+s.t.service.name+"-request")
	req.Header.Set("Accept", "application/x-"+s.t.service.name+"-result")
	s.t.o.OnRequest(kind)
	resp, err := s.t.send(req, s.auth)
	if err != nil {
		return nil, err
	}
	err = statusError(resp, s.t.service, s.auth.field())
	if err == nil {
		err = checkType(resp, "application/x-"+s.t.service.name+"-result")
	}
	if err != nil {
		_ = resp.Body.Close()
		s.t.forget()
		return nil, err
	}
	return drained{resp.Body}, nil
}

// drained reads the rest of a small answer before it closes, so that the connection is used again.
type drained struct{ io.ReadCloser }

func (d drained) Close() error {
	wire.Drain(d.ReadCloser, 4<<10)
	return d.ReadCloser.Close()
}

// protocolError gives an error of package wire its kind.
func protocolError(err error) error {
	var said *wire.ServerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said):
		return fault.New(fault.Invalid, err)
	case errors.Is(err, wire.ErrNotGit):
		return fault.New(fault.Invalid, err)
	case fault.KindOf(err) != fault.Internal:
		return err
	}
	return fault.New(fault.Transient, err)
}

func tooLarge(what string, limit int64) error {
	return fault.Newf(fault.Invalid, "the %s is larger than the limit of %d bytes", what, limit)
}
