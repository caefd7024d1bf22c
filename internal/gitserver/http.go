package gitserver

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/subtle"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
)

// serve answers /<repository>/{info/refs,git-upload-pack,git-receive-pack}.
func (s *Server) serve(w http.ResponseWriter, req *http.Request) {
	if s.o.Fault != nil && s.o.Fault(w, req) {
		return
	}
	if !s.allowed(req) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	for _, action := range []string{"/info/refs", "/git-upload-pack", "/git-receive-pack"} {
		path, ok := strings.CutSuffix(req.URL.Path, action)
		if !ok {
			continue
		}
		repo, name, ok := s.find(path)
		if !ok {
			break
		}
		service := strings.TrimPrefix(action, "/")
		if action == "/info/refs" {
			service = req.URL.Query().Get("service")
		}
		if service == "git-receive-pack" && (!s.o.Push || !isLoopback(req.RemoteAddr)) {
			http.Error(w, "pushes are not taken", http.StatusForbidden)
			return
		}
		if action == "/info/refs" {
			s.advertise(w, req, repo, service)
			return
		}
		s.exchange(w, req, repo, name, service)
		return
	}
	http.NotFound(w, req)
}

func (s *Server) allowed(req *http.Request) bool {
	if s.o.Password != "" {
		user, password, _ := req.BasicAuth()
		return equal(user, s.o.Username) && equal(password, s.o.Password)
	}
	if s.o.BearerToken != "" {
		return equal(req.Header.Get("Authorization"), "Bearer "+s.o.BearerToken)
	}
	return true
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && net.ParseIP(host).IsLoopback()
}

// advertise answers the first request of every client.
func (s *Server) advertise(w http.ResponseWriter, req *http.Request, r *Repo, service string) {
	if service != "git-upload-pack" && service != "git-receive-pack" {
		http.Error(w, "only smart clients are served", http.StatusForbidden)
		return
	}
	s.count("info/refs")
	w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
	w.Header().Set("Cache-Control", "no-cache")
	cmd := s.service(req, r, service, "--advertise-refs")
	line := "# service=" + service + "\n"
	if !s.speaksV2(req, service) {
		_, _ = fmt.Fprintf(w, "%04x%s0000", len(line)+4, line)
	}
	cmd.Stdout = w
	_ = cmd.Run() // the client sees the broken answer
}

// exchange answers a request of a client.
func (s *Server) exchange(w http.ResponseWriter, req *http.Request, r *Repo, name, service string) {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	w.Header().Set("Content-Type", "application/x-"+service+"-result")
	w.Header().Set("Cache-Control", "no-cache")
	if service == "git-receive-pack" {
		s.count("push")
		var out bytes.Buffer // told to the client only after the hook
		_ = s.pushing(req.Context(), r, name, func() error {
			cmd := s.service(req, r, service)
			cmd.Stdin, cmd.Stdout = body, &out
			return cmd.Run()
		})
		_, _ = w.Write(out.Bytes())
		return
	}
	in := bufio.NewReader(body)
	if head, _ := in.Peek(32); bytes.Contains(head, []byte("command=ls-refs")) {
		s.count("ls-refs")
	} else {
		s.count("fetch")
	}
	cmd := s.service(req, r, service)
	cmd.Stdin, cmd.Stdout = in, w
	_ = cmd.Run()
}

func (s *Server) speaksV2(req *http.Request, service string) bool {
	return !s.o.V0 && service == "git-upload-pack" && strings.Contains(req.Header.Get("Git-Protocol"), "version=2")
}

func (s *Server) service(req *http.Request, r *Repo, service string, flags ...string) *exec.Cmd {
	args := append([]string{strings.TrimPrefix(service, "git-"), "--stateless-rpc"}, flags...)
	cmd := command(req.Context(), r.Dir, append(args, r.Dir)...)
	if protocol := req.Header.Get("Git-Protocol"); protocol != "" && !s.o.V0 {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+protocol)
	}
	return cmd
}
