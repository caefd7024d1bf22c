package verifier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Public reports whether an address may be asked directly: not the machine itself, its link, where clouds tell machines their credentials, nor many at once.
// Addresses within a cluster may.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	return a.IsValid() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.IsUnspecified() && !slices.Contains(special, a)
}

// translated are IPv6 addresses that a gateway makes IPv4 ones of.
var translated = netip.MustParsePrefix("64:ff9b::/96")

// special are broadcast, and the addresses outside of the link at which Alibaba Cloud, Azure and AWS serve a machine's metadata.
var special = []netip.Addr{
	netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("fd00:ec2::254"),
}

// notAskedError says that an address is not asked.
type notAskedError struct{ addr netip.Addr }

func (e *notAskedError) Error() string {
	return fmt.Sprintf("its address %s is of the machine, its link or its cloud, which are not asked", e.addr)
}

// credentials are what a Secret says of somebody who is asked directly.
type credentials struct {
	bearer, hmacKey string
	roots           *x509.CertPool // nil: those of the machine
}

// credentials reads a Secret beside the Environment; without a name there are none.
func (v *Verifier) credentials(ctx context.Context, r *run, name string) (credentials, error) {
	if name == "" {
		return credentials{}, nil
	}
	data, err := v.Secret(ctx, r.App.Namespace, name)
	if err != nil {
		return credentials{}, err
	}
	c := credentials{bearer: strings.TrimSpace(string(data["bearerToken"])), hmacKey: string(data["hmacKey"])}
	if strings.ContainsAny(c.bearer, "\r\n") {
		return credentials{}, fmt.Errorf("bearerToken of Secret %s/%s has more than one line", r.App.Namespace, name)
	}
	if pem := data["ca.crt"]; len(pem) > 0 {
		c.roots = x509.NewCertPool()
		if !c.roots.AppendCertsFromPEM(pem) {
			return credentials{}, fmt.Errorf("ca.crt of Secret %s/%s holds no certificate", r.App.Namespace, name)
		}
	}
	return c, nil
}

// direct is a client for one try: it connects anew each time, as those do whom the app serves, and follows no redirect.
func (v *Verifier) direct(c credentials) *http.Client {
	dialer := &net.Dialer{Timeout: 30 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !v.May(at.Addr()) {
			return &notAskedError{at.Addr()}
		}
		return nil
	}}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12},
		},
	}
}

// agent is how requests introduce themselves.
const agent = "fairlead-verify"

// request is a request that is sent directly.
func request(ctx context.Context, method, to string, body io.Reader, c credentials) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", agent)
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	return req, nil
}
