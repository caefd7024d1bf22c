// Package forgetest is a forge for tests: what of GitHub, GitLab and Gitea says how commits fare, as their documentation has it.
package forgetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/fairlead-cd/fairlead/internal/forge"
)

// Server answers as the forge of a kind is documented to: paths, the header of the token, names of states, what is refused, in which order lists are.
type Server struct {
	Kind  forge.Kind
	Repo  string // "shop/config"
	Token string
	// Knows reports whether there is a commit of that id.
	Knows func(commit string) bool

	mu      sync.Mutex
	entries []map[string]any // oldest first
	told    []Told
	checks  []map[string]any
	asked   []string
	answer  http.HandlerFunc // instead, if set
}

// Told is a status that was accepted.
type Told struct{ Commit, Context, State, Description, Link string }

// Told returns what was accepted, oldest first.
func (s *Server) Told() []Told {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

// Asked returns the requests that came, as "GET /path".
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Check has GitHub run a check of a commit anew: its status is queued, in_progress or completed, and then it has a conclusion.
func (s *Server) Check(commit, name, status, conclusion string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks = slices.DeleteFunc(s.checks, func(c map[string]any) bool { return c["head_sha"] == commit && c["name"] == name })
	s.checks = append(s.checks, map[string]any{
		"id": len(s.checks) + 1, "head_sha": commit, "name": name, "status": status, "conclusion": map[bool]any{true: conclusion}[conclusion != ""],
		"html_url": "https://github.example.com/runs/1", "output": map[string]any{"title": nil},
	})
}

// Answer lets each request be answered so from now on; by the forge again if f is nil.
func (s *Server) Answer(f http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.EscapedPath())
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	s.Forge(w, r)
}

// Forge answers as the forge does, whatever Answer said.
func (s *Server) Forge(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	auth, api := map[forge.Kind][2]string{
		forge.GitHub: {"Authorization", "Bearer "}, forge.GitLab: {"Private-Token", ""}, forge.Gitea: {"Authorization", "token "},
	}[s.Kind], map[forge.Kind]string{
		forge.GitHub: "/api/v3/repos/" + s.Repo, forge.GitLab: "/api/v4/projects/" + url.PathEscape(s.Repo), forge.Gitea: "/api/v1/repos/" + s.Repo,
	}[s.Kind]
	if r.Header.Get(auth[0]) != auth[1]+s.Token {
		s.say(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
		return
	}
	path, ours := strings.CutPrefix(r.URL.EscapedPath(), api)
	said, posts := strings.CutPrefix(path, "/statuses/")
	listed, lists := strings.CutPrefix(strings.TrimPrefix(path, "/repository"), "/commits/")
	listed, lists2 := strings.CutSuffix(listed, "/statuses")
	checked, checks := strings.CutSuffix(strings.TrimPrefix(path, "/commits/"), "/check-runs")
	switch {
	case ours && r.Method == http.MethodGet && checks && s.Kind == forge.GitHub && s.Knows(checked):
		runs := slices.DeleteFunc(slices.Clone(s.checks), func(c map[string]any) bool {
			return c["head_sha"] != checked || c["name"] != r.URL.Query().Get("check_name")
		})
		s.say(w, http.StatusOK, map[string]any{"total_count": len(runs), "check_runs": runs})
	case ours && r.Method == http.MethodPost && posts && s.Knows(said):
		s.post(w, r, said)
	case ours && r.Method == http.MethodGet && lists && lists2 && s.Knows(listed) && strings.HasPrefix(path, "/repository") == (s.Kind == forge.GitLab):
		s.list(w, r, listed)
	default:
		s.say(w, http.StatusNotFound, map[string]any{"message": "404 Not Found"})
	}
}

func (s *Server) post(w http.ResponseWriter, r *http.Request, commit string) {
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("Content-Type") != "application/json" {
		s.say(w, http.StatusBadRequest, map[string]any{"message": "Problems parsing JSON"})
		return
	}
	states := []string{"pending", "success", "failure", "error"}
	name, state, longest := "context", "state", 140
	switch s.Kind {
	case forge.GitHub:
	case forge.GitLab:
		states, name, state, longest = []string{"pending", "running", "success", "failed", "canceled"}, "name", "status", 255
	case forge.Gitea:
		state, longest = "status", 255
	}
	about, _ := in["description"].(string)
	if is, _ := in["state"].(string); !slices.Contains(states, is) || utf8.RuneCountInString(about) > longest {
		s.say(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed"})
		return
	}
	if s.Kind == forge.GitLab {
		for _, e := range s.entries {
			if e["sha"] == commit && e[name] == in[name] && e[state] == in["state"] {
				via := map[any]string{"pending": "enqueue", "success": "succeed", "failed": "drop"}[in["state"]]
				s.say(w, http.StatusBadRequest, map[string]any{"message": fmt.Sprintf("Cannot transition status via :%s from :%v (Reason(s): …)", via, in["state"])})
				return
			}
		}
		s.entries = slices.DeleteFunc(s.entries, func(e map[string]any) bool { return e["sha"] == commit && e[name] == in[name] })
	}
	s.entries = append(s.entries, map[string]any{
		"id": len(s.asked), name: in[name], state: in["state"], "description": about, "target_url": in["target_url"], "sha": commit, "creator": map[string]any{"login": "robot"},
	})
	context, _ := in[name].(string)
	link, _ := in["target_url"].(string)
	s.told = append(s.told, Told{commit, context, fmt.Sprint(in["state"]), about, link})
	s.say(w, http.StatusCreated, s.entries[len(s.entries)-1])
}

func (s *Server) list(w http.ResponseWriter, r *http.Request, commit string) {
	out := slices.DeleteFunc(slices.Clone(s.entries), func(e map[string]any) bool { return e["sha"] != commit })
	if s.Kind == forge.GitLab {
		out = slices.DeleteFunc(out, func(e map[string]any) bool { return e["name"] != r.URL.Query().Get("name") })
	} else {
		slices.Reverse(out)
	}
	s.say(w, http.StatusOK, out)
}

func (s *Server) say(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
