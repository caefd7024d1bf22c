package registry

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// indexCharts is the charts of an HTTP repository, as its index has them now.
type indexCharts struct {
	o      Options
	a      Access
	base   *url.URL
	client *http.Client
	index  []byte
}

// indexState says which answer of a server an index is.
type indexState struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
	Sum      string `json:"sum"`
}

// openIndex asks for the index, unless it is what it was.
func (c *Charts) openIndex(ctx context.Context, w Wish, age time.Duration) (*indexCharts, error) {
	base, err := parseHTTP(w)
	if err != nil {
		return nil, err
	}
	client, err := newClient(w.Access, c.o)
	if err != nil {
		return nil, err
	}
	x := &indexCharts{o: c.o, a: w.Access, base: base, client: client}
	client.CheckRedirect = x.redirect
	if x.index, err = c.fetchIndex(ctx, x, w.Place(), age); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func parseHTTP(w Wish) (*url.URL, error) {
	base, err := url.Parse(w.URL)
	switch {
	case err != nil || base.Host == "":
		return nil, fault.Newf(fault.Invalid, "%q is no address", clip(w.URL))
	case base.User != nil:
		return nil, fault.Newf(fault.Invalid, "the address of %s holds credentials: put them into a Secret", base.Host)
	case base.Scheme == "http" && !w.Access.Insecure:
		return nil, fault.Newf(fault.Denied, "%s would be reached without TLS, which is refused unless insecure is set where its address stands", base.Host)
	case w.Name == "":
		return nil, fault.Newf(fault.Invalid, "a chart of %s is asked for without its name", base.Host)
	}
	return base, nil
}

func (x *indexCharts) close() { x.client.CloseIdleConnections() }

// redirect follows, and takes no credentials to another host.
func (x *indexCharts) redirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return fault.Newf(fault.Invalid, "ask %s: too many redirects", x.base.Host)
	}
	if r.URL.Host != x.base.Host || r.URL.Scheme != x.base.Scheme {
		r.Header.Del("Authorization")
	}
	return nil
}

// get sends one request. Credentials go to the repository's own host alone.
func (x *indexCharts) get(ctx context.Context, kind string, at *url.URL, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "ask %s: the address is malformed", at.Host)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "fairlead")
	if at.Host == x.base.Host && at.Scheme == x.base.Scheme {
		switch {
		case x.a.Bearer != "":
			r.Header.Set("Authorization", "Bearer "+x.a.Bearer)
		case x.a.Token != "":
			r.Header.Set("Authorization", "Bearer "+x.a.Token)
		case !x.a.anonymous():
			r.SetBasicAuth(x.a.Username, x.a.Password)
		}
	}
	x.o.OnRequest(kind)
	resp, err := x.client.Do(r)
	if err != nil {
		return nil, classify(at.Host, err, x.a)
	}
	if resp.StatusCode != http.StatusOK && (resp.StatusCode != http.StatusNotModified || header == nil) {
		_ = resp.Body.Close()
		return nil, statusError(at.Host, resp.StatusCode, x.a)
	}
	return resp, nil
}

// fetchIndex returns the index: the one that is kept, if the server says that it is the same.
func (c *Charts) fetchIndex(ctx context.Context, x *indexCharts, key string, age time.Duration) ([]byte, error) {
	defer c.lock("index " + key)()
	var was indexState
	header := http.Header{}
	known := c.store.readJSON(kindIndex, key+".json", &was)
	var kept []byte
	if known {
		kept, known = c.store.read(kindIndex, key, c.o.MaxIndex)
		known = known && sha256Of(kept) == was.Sum
	}
	c.mu.Lock()
	asked := c.asked[key]
	c.mu.Unlock()
	if began := c.o.Now(); known && began.Sub(asked) < age {
		return kept, nil
	}
	if known && was.ETag != "" {
		header.Set("If-None-Match", was.ETag)
	} else if known && was.Modified != "" {
		header.Set("If-Modified-Since", was.Modified)
	}
	at := x.base.JoinPath("index.yaml")
	at.RawQuery = x.base.RawQuery
	resp, err := x.get(ctx, "index", at, header)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotModified {
		if !known {
			return nil, fault.Newf(fault.Transient, "ask %s: it says that its index did not change, and was not asked", at.Host)
		}
		c.answered(key)
		c.store.touch(kindIndex, key)
		c.store.touch(kindIndex, key+".json")
		return kept, nil
	}
	data, err := readAll(resp.Body, c.o.MaxIndex, "index")
	if err != nil {
		return nil, err
	}
	now := indexState{ETag: resp.Header.Get("ETag"), Modified: resp.Header.Get("Last-Modified"), Sum: sha256Of(data)}
	if len(now.ETag)+len(now.Modified) > 1000 {
		now.ETag, now.Modified = "", ""
	}
	c.answered(key)
	if known && now == was {
		return data, nil
	}
	return data, errors.Join(c.store.put(kindIndex, key, data), c.store.putJSON(kindIndex, key+".json", now))
}

// answered notes that an index is what the server has now.
func (c *Charts) answered(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.asked) > 10_000 {
		clear(c.asked)
	}
	c.asked[key] = c.o.Now()
}

func (x *indexCharts) choose(_ context.Context, w Wish) (candidate, error) {
	version, pin, err := w.split()
	if err != nil {
		return candidate{}, err
	}
	all, err := entriesOf(x.index, w.Name)
	if err != nil {
		return candidate{}, err
	}
	if len(all) == 0 {
		return candidate{}, fault.Newf(fault.Invalid, "there is no chart %s in the index", w.Name)
	}
	if version == "" && pin != "" {
		for _, e := range all {
			if prefixed(e.Digest) == pin {
				return candidate{version: e.Version, digest: pin, urls: e.URLs}, nil
			}
		}
		return candidate{}, fault.Newf(fault.Invalid, "no version of chart %s in the index has the digest %s", w.Name, pin)
	}
	versions := make([]string, len(all))
	for i, e := range all {
		versions[i] = e.Version
	}
	chosen, err := choose(version, versions)
	if err != nil {
		return candidate{}, err
	}
	for _, e := range all {
		if e.Version == chosen {
			return candidate{version: chosen, digest: prefixed(e.Digest), urls: e.URLs}, nil
		}
	}
	return candidate{}, fault.Newf(fault.Internal, "version %s of chart %s was there a moment ago", chosen, w.Name)
}

// prefixed is a digest as it stands in an index, with the name of its algorithm; empty if it is none.
func prefixed(digest string) string {
	d := "sha256:" + strings.TrimPrefix(strings.ToLower(digest), "sha256:")
	if !digestForm.MatchString(d) {
		return ""
	}
	return d
}

func (x *indexCharts) fetch(ctx context.Context, w Wish, of candidate) (fetched, error) {
	if len(of.urls) == 0 {
		return fetched{}, fault.Newf(fault.Invalid, "version %s has no address in the index", of.version)
	}
	base := *x.base
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	ref, err := url.Parse(of.urls[0])
	if err != nil {
		return fetched{}, fault.Newf(fault.Invalid, "%q in the index is no address", clip(of.urls[0]))
	}
	at := base.ResolveReference(ref)
	at.RawQuery = cmp.Or(at.RawQuery, x.base.RawQuery)
	if at.Scheme == ociScheme[:3] {
		return x.fetchOCI(ctx, w, of, at)
	}
	if at.Scheme != "https" && at.Scheme != "http" || at.User != nil {
		return fetched{}, fault.Newf(fault.Invalid, "%q in the index is no address that can be fetched", clip(at.Redacted()))
	}
	var got fetched
	if got.archive, err = x.read(ctx, at, x.o.MaxBlob, "chart"); err != nil {
		return fetched{}, err
	}
	got.digest = sha256Of(got.archive)
	if of.digest != "" && of.digest != got.digest {
		return fetched{}, fault.Newf(fault.Denied, "the archive of version %s is %s, and the index says %s: it was damaged on the way, or somebody put another one in its place", of.version, short(got.digest), short(of.digest))
	}
	if !w.Trust.Asked() {
		return got, nil
	}
	at.Path += ".prov"
	at.RawPath = ""
	text, err := x.read(ctx, at, maxProvenance, "provenance file")
	if isAbsent(err) {
		return fetched{}, fault.Newf(fault.Denied, "the chart is refused: it has to be signed, and there is no provenance file %s beside it: make it with helm package --sign", at.Redacted())
	}
	if err != nil {
		return fetched{}, err
	}
	got.signer, err = w.Trust.vouched(text, got.digest, x.o.Now())
	return got, err
}

// fetchOCI reads a chart that the index says is in a registry. The credentials are not for that.
func (x *indexCharts) fetchOCI(ctx context.Context, w Wish, of candidate, at *url.URL) (fetched, error) {
	address, tag, _ := strings.Cut(at.Path, ":")
	in := &ociCharts{url: ociScheme + at.Host + address, o: x.o, open: map[string]*repository{}, tags: map[string][]string{}}
	defer in.close()
	w.Name, w.Access = "", Access{CA: x.a.CA, Insecure: x.a.Insecure, Field: x.a.Field}
	return in.fetch(ctx, w, candidate{version: cmp.Or(versionOf(tag), of.version)})
}

func (x *indexCharts) read(ctx context.Context, at *url.URL, most int64, what string) ([]byte, error) {
	resp, err := x.get(ctx, "chart", at, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return readAll(resp.Body, most, what)
}
