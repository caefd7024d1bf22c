package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/registry"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// fetchOptions are how charts and bases are had that are not in a tree. Without fetch nobody is asked, and what a cache has is not looked at either: what is printed
// depends on the files alone.
type fetchOptions struct {
	fetch, plain bool
	config       string
}

func (o *fetchOptions) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.fetch, "fetch", false, "fetch Helm charts and remote bases that are not in the tree; what was fetched is said, and kept in the user's cache directory")
	cmd.Flags().BoolVar(&o.plain, "plain-http", false, "with --fetch: reach registries and chart repositories without TLS, and log in to Git servers so")
	cmd.Flags().StringVar(&o.config, "registry-config", "", "file with credentials of registries, as docker login and helm registry login write it (default: theirs)")
}

// begin returns whom a render asks for charts and bases: nobody, unless that was asked for. End closes what was opened.
func (o *fetchOptions) begin(ctx context.Context, w IO) (_ render.Outside, end func(), err error) {
	if !o.fetch {
		if o.config != "" || o.plain {
			return nil, nil, usagef("--registry-config and --plain-http are for --fetch")
		}
		return nil, func() {}, nil
	}
	dir := filepath.Join(cmp.Or(w.Getenv("XDG_CACHE_HOME"), filepath.Join(w.Getenv("HOME"), ".cache")), "fairlead")
	f := &fetcher{
		ctx: ctx, w: w, dir: dir, plain: o.plain, charts: registry.KeepCharts(filepath.Join(dir, "charts"), registry.Options{Proxy: http.ProxyFromEnvironment}),
		answers: map[render.Question]render.Answer{}, mirrors: map[string]*git.Mirror{}, logins: logins{w, o.config},
	}
	if err := f.logins.check(); err != nil {
		return nil, nil, err
	}
	return f, f.close, nil
}

// fetcher is a render.Outside that has charts and bases.
type fetcher struct {
	ctx    context.Context
	w      IO
	dir    string
	plain  bool
	logins logins
	charts *registry.Charts

	mu      sync.Mutex
	answers map[render.Question]render.Answer
	mirrors map[string]*git.Mirror
}

// Ask implements render.Outside. Questions go one by one, and each is asked once.
func (f *fetcher) Ask(q render.Question) (render.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if answer, ok := f.answers[q]; ok {
		return answer, nil
	}
	var answer render.Answer
	var err error
	switch q.About {
	case render.AboutChart:
		answer, err = f.chart(q)
	case render.AboutBase:
		answer, err = f.base(q)
	default:
		return answer, fault.Newf(fault.Internal, "%s is not fetched", q)
	}
	if err == nil {
		f.answers[q] = answer
	}
	return answer, err
}

func (f *fetcher) chart(q render.Question) (_ render.Answer, err error) {
	if strings.HasPrefix(q.URL, "http://") && !f.plain {
		return render.Answer{}, fault.Newf(fault.Denied, "it would be reached without TLS: --plain-http allows that")
	}
	wish := registry.Wish{URL: q.URL, Name: q.Chart, Version: q.Version}
	// What is kept is the user's, whatever his credentials are today.
	wish.Access.Who, wish.Access.Insecure = "user", f.plain
	found, known := f.charts.Known(wish)
	if !known || wish.Moves() {
		var now registry.Chart
		wish.Access, err = f.logins.registry(f.ctx, q.URL, wish.Access)
		if err == nil {
			now, err = f.newest(wish, known)
		}
		switch {
		case err == nil:
			found = now
		case !known:
			return render.Answer{}, err
		default:
			_, _ = fmt.Fprintf(f.w.Err, "warning: %s: %v: what was fetched before is used\n", wish, err)
		}
	}
	_, _ = fmt.Fprintf(f.w.Err, "note: %s is version %s, %s\n", wish, found.Version, found.Digest)
	return render.Answer{ID: found.Version + " " + found.Content, Tree: found.Tree, Version: found.Version, Digest: found.Digest}, nil
}

// newest asks which chart a wish means now.
func (f *fetcher) newest(wish registry.Wish, known bool) (registry.Chart, error) {
	if !known {
		return f.charts.Find(f.ctx, wish)
	}
	news, err := f.charts.Look(f.ctx, []registry.Wish{wish})
	if err != nil {
		return registry.Chart{}, err
	}
	if err := news[0].Err; err != nil {
		return registry.Chart{}, err
	}
	return f.charts.Find(f.ctx, wish)
}

// base fetches a commit of another repository, with what the user's own git would show.
func (f *fetcher) base(q render.Question) (render.Answer, error) {
	m := f.mirrors[q.URL]
	if m == nil {
		var err error
		options := git.Options{Proxy: http.ProxyFromEnvironment, SSH: cmp.Or(f.w.Getenv("GIT_SSH_COMMAND"), "ssh")}
		if m, err = git.Open(filepath.Join(f.dir, "git", mirrorName(q.URL)), q.URL, options); err != nil {
			return render.Answer{}, err
		}
		f.mirrors[q.URL] = m
	}
	commit := source.Commit(q.Version)
	s, err := m.Snapshot(f.ctx, commit)
	if err != nil {
		if err = f.get(m, q.URL, commit); err == nil {
			s, err = m.Snapshot(f.ctx, commit)
		}
	}
	if err != nil {
		return render.Answer{}, err
	}
	_, _ = fmt.Fprintf(f.w.Err, "note: base %s was fetched; the controller fetches it if spec.render.remoteBases of the Environment allows\n", q)
	return render.Answer{ID: q.Version, Tree: s.Tree, Version: q.Version}, nil
}

// get fetches a commit: with the headers of git's configuration, as nobody, or as .netrc says, and if that is not let in as git's helpers say.
func (f *fetcher) get(m *git.Mirror, address string, commit source.Commit) error {
	fetch := func(auth git.Auth) error {
		got, err := m.Fetch(f.ctx, auth, []source.Resolved{{Ref: source.Ref{Commit: commit}, Commit: commit}})
		if err == nil && len(got) > 0 {
			err = got[0].Err
		}
		return err
	}
	at, err := url.Parse(address)
	if err != nil || at.Scheme != "https" && at.Scheme != "http" {
		return fetch(git.Auth{})
	}
	if at.Scheme == "http" && !f.plain {
		return fetch(git.Auth{Field: "spec.render.remoteBases of the Environment (this command shows none without TLS: --plain-http allows that)"})
	}
	headers, err := f.logins.extraHeaders(f.ctx, at)
	if err != nil {
		return err
	}
	if logsIn(headers) {
		return fetch(git.Auth{Headers: headers, Field: "spec.render.remoteBases of the Environment (this command used http.extraHeader of git's configuration)"})
	}
	auth, err := f.logins.netrc(at.Hostname())
	if err != nil {
		return err
	}
	auth.Headers = headers
	if auth.Field != "" {
		return fetch(auth)
	}
	if err = fetch(auth); fault.KindOf(err) != fault.Denied {
		return err
	}
	auth, why := f.logins.filled(f.ctx, address)
	auth.Headers = headers
	if why != "" {
		auth.Field = "spec.render.remoteBases of the Environment (this command has none: .netrc has no entry for " + at.Hostname() + ", and " + why + ")"
	}
	return fetch(auth)
}

func (f *fetcher) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.mirrors {
		_ = m.Close()
	}
}

// mirrorName is a directory's name for a URL.
func mirrorName(url string) string {
	sum := sha256.Sum256([]byte(url))
	return hex.EncodeToString(sum[:12])
}
