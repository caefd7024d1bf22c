package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
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
	cmd.Flags().BoolVar(&o.plain, "plain-http", false, "with --fetch: reach registries and chart repositories without TLS")
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
		answers: map[render.Question]render.Answer{}, mirrors: map[string]*git.Mirror{},
	}
	if f.logins, err = o.logins(w); err != nil {
		return nil, nil, err
	}
	return f, f.close, nil
}

// logins reads the file with credentials of registries: the one that is named, else the first that there is. None is no error.
func (o *fetchOptions) logins(w IO) ([]byte, error) {
	home := w.Getenv("HOME")
	var files []string
	switch {
	case o.config != "":
		files = []string{o.config}
	default:
		files = []string{
			filepath.Join(cmp.Or(w.Getenv("DOCKER_CONFIG"), filepath.Join(home, ".docker")), "config.json"),
			filepath.Join(cmp.Or(w.Getenv("XDG_CONFIG_HOME"), filepath.Join(home, ".config")), "helm", "registry", "config.json"),
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && o.config == "" {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !json.Valid(data) {
			return nil, fmt.Errorf("%s: is not the JSON that docker login writes", file)
		}
		return data, nil
	}
	return nil, nil
}

// fetcher is a render.Outside that has charts and bases.
type fetcher struct {
	ctx    context.Context
	w      IO
	dir    string
	plain  bool
	logins []byte
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

func (f *fetcher) chart(q render.Question) (render.Answer, error) {
	if strings.HasPrefix(q.URL, "http://") && !f.plain {
		return render.Answer{}, fault.Newf(fault.Denied, "it would be reached without TLS: --plain-http allows that")
	}
	wish := registry.Wish{URL: q.URL, Name: q.Chart, Version: q.Version}
	if f.logins != nil {
		// A file without an entry for the host is no reason not to ask.
		if access, err := registry.AccessOf(map[string][]byte{".dockerconfigjson": f.logins}, q.URL); err == nil {
			wish.Access = access
		}
	}
	wish.Access.Field, wish.Access.Insecure = "--registry-config", f.plain
	found, known := f.charts.Known(wish)
	if !known || wish.Moves() {
		now, err := f.newest(wish, known)
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

// base fetches a commit of another repository. Credentials for those are the controller's alone.
func (f *fetcher) base(q render.Question) (render.Answer, error) {
	m := f.mirrors[q.URL]
	if m == nil {
		var err error
		if m, err = git.Open(filepath.Join(f.dir, "git", mirrorName(q.URL)), q.URL, git.Options{Proxy: http.ProxyFromEnvironment}); err != nil {
			return render.Answer{}, err
		}
		f.mirrors[q.URL] = m
	}
	commit := source.Commit(q.Version)
	s, err := m.Snapshot(f.ctx, commit)
	if err != nil {
		var got []git.Resolution
		if got, err = m.Fetch(f.ctx, git.Auth{Field: "a Secret that spec.render.remoteBases of the Environment names: --fetch has no credentials"}, []source.Resolved{{Ref: source.Ref{Commit: commit}, Commit: commit}}); err == nil && len(got) > 0 {
			err = got[0].Err
		}
		if err == nil {
			s, err = m.Snapshot(f.ctx, commit)
		}
	}
	if err != nil {
		return render.Answer{}, err
	}
	_, _ = fmt.Fprintf(f.w.Err, "note: base %s was fetched; the controller fetches it if spec.render.remoteBases of the Environment allows\n", q)
	return render.Answer{ID: q.Version, Tree: s.Tree, Version: q.Version}, nil
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
