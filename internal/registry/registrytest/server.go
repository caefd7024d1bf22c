package registrytest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Server is an OCI registry, at host, and a repository of charts, at http://host/charts. Requests are counted.
type Server struct {
	Host string

	listener net.Listener
	server   *http.Server
	oci      http.Handler

	mu       sync.Mutex
	password string // of the user "fairlead"; empty: none is needed
	// identity is what the access token is given for; empty: none is needed.
	identity, access string
	down             bool
	files            map[string][]byte // below /charts/
	requests         []string
}

// Start starts a server on loopback.
func Start() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends with Close
	if err != nil {
		return nil, err
	}
	s := &Server{
		Host: l.Addr().String(), listener: l, files: map[string][]byte{},
		oci: registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)),
	}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

// Close ends it.
func (s *Server) Close() { _ = s.server.Close() }

// Handler is the server, for who has a listener of his own.
func (s *Server) Handler() http.Handler { return s }

// Down makes it answer nobody, or answer again.
func (s *Server) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Protect wants a password of the user "fairlead" from now on; empty: of nobody.
func (s *Server) Protect(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

// Tokens wants the access token from now on, which is given for the identity token, as registries with a service of tokens do; empty: of nobody.
func (s *Server) Tokens(identity, access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identity, s.access = identity, access
}

// token gives the access token, or wants it. It reports whether it answered.
func (s *Server) token(w http.ResponseWriter, r *http.Request, identity, access string) bool {
	switch {
	case r.URL.Path == "/token" && r.PostFormValue("grant_type") == "refresh_token" && r.PostFormValue("refresh_token") == identity:
		_, _ = fmt.Fprintf(w, `{"access_token": %q}`, access)
	case r.URL.Path != "/token" && r.Header.Get("Authorization") == "Bearer "+access:
		return false
	default:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="registry"`, s.Host))
		w.WriteHeader(http.StatusUnauthorized)
	}
	return true
}

// Requests returns what was asked for since the last call, such as "GET /charts/index.yaml 304".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

// Put puts a file into the repository of charts.
func (s *Server) Put(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = data
}

// Remove takes a file out of it.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
}

// Publish puts charts into the repository, and an index of all that was published into index.yaml, as helm repo index does.
func (s *Server) Publish(charts ...Chart) {
	for _, c := range charts {
		s.Put(c.file(), c.Archive())
		s.Put("published/"+c.file(), []byte(c.Name+" "+c.Version))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	byName := map[string]string{}
	for _, p := range slices.Sorted(maps.Keys(s.files)) {
		file, ok := strings.CutPrefix(p, "published/")
		if !ok {
			continue
		}
		name, version, _ := strings.Cut(string(s.files[p]), " ")
		byName[name] += fmt.Sprintf("  - apiVersion: v2\n    created: \"2026-01-01T00:00:00Z\"\n    description: A chart\n    digest: %s\n    name: %s\n    urls:\n    - %s\n    version: %s\n",
			hexOf(s.files[file]), name, file, version)
	}
	index := "apiVersion: v1\nentries:\n"
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		index += "  " + name + ":\n" + byName[name]
	}
	s.files["index.yaml"] = []byte(index + "generated: \"2026-01-01T00:00:00Z\"\n")
}

func hexOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	down, password, identity, access := s.down, s.password, s.identity, s.access
	s.mu.Unlock()
	if down {
		panic(http.ErrAbortHandler)
	}
	to := &watched{ResponseWriter: w, code: http.StatusOK}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, fmt.Sprintf("%s %s %d", r.Method, r.URL.Path, to.code))
	}()
	if access != "" && s.token(to, r, identity, access) {
		return
	}
	if user, given, ok := r.BasicAuth(); password != "" && access == "" && (!ok || user != "fairlead" || given != password) {
		to.Header().Set("WWW-Authenticate", `Basic realm="charts"`)
		to.WriteHeader(http.StatusUnauthorized)
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/charts/"); ok {
		s.file(to, r, name)
		return
	}
	s.oci.ServeHTTP(to, r)
}

func (s *Server) file(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.Lock()
	data, ok := s.files[name]
	s.mu.Unlock()
	if !ok || strings.HasPrefix(name, "published/") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	tag := `"` + hexOf(data)[:16] + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(data)
}

type watched struct {
	http.ResponseWriter
	code int
}

func (w *watched) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}
