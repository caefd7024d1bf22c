package git_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/git"
	"github.com/fairlead-cd/fairlead/internal/gitserver"
	"github.com/fairlead-cd/fairlead/internal/source"
)

// TestMove runs one suite over every way to reach a server.
func TestMove(t *testing.T) {
	ways := map[string]func(*testing.T) *world{
		"http": func(t *testing.T) *world { return newWorld(t, gitserver.Options{Push: true}, "") },
		"http_password": func(t *testing.T) *world {
			w := newWorld(t, gitserver.Options{Push: true, Username: "ci", Password: "hunter2"}, "")
			w.auth = git.Auth{Username: "ci", Password: "hunter2"}
			return w
		},
		"ssh":    func(t *testing.T) *world { return sshWorld(t, false) },
		"sha256": func(t *testing.T) *world { return newWorld(t, gitserver.Options{Push: true}, "sha256") },
	}
	for name, open := range ways {
		t.Run(name, func(t *testing.T) {
			for name, test := range map[string]func(*world){
				"moves": moves, "elsewhere": movedElsewhere, "refused": moveRefused, "rewound": moveRewound, "race": moveRace,
				"died_before": diedBefore, "died_after": diedAfter, "nonsense": moveNonsense,
			} {
				t.Run(name, func(t *testing.T) { test(open(t)) })
			}
		})
	}
}

// hook makes the server run a script.
func (w *world) hook(name, script string) {
	w.Helper()
	dir := filepath.Join(w.repo.Dir, "hooks")
	w.must(os.MkdirAll(dir, 0o755))
	w.must(os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755)) //nolint:gosec // it is run
}

func (w *world) unhook(name string) {
	w.Helper()
	w.must(os.Remove(filepath.Join(w.repo.Dir, "hooks", name)))
}

// isAt checks where a branch of the server is.
func (w *world) isAt(branch string, want source.Commit) {
	w.Helper()
	if got, err := w.repo.Head(w.Context(), branch); err != nil || got != want {
		w.Errorf("%s is at %s, %v: want %s", branch, got, err, want)
	}
}

func (w *world) move(m *git.Mirror, branch string, from, to source.Commit) error {
	return m.Move(w.Context(), w.auth, git.Move{Branch: branch, From: from, To: to})
}

// moves: to a commit that is there, again, and to a branch that was not.
func moves(w *world) {
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	two := w.commit("next", "two", gitserver.Write("a", "2"))
	m := w.mirror()
	w.must(w.move(m, "main", one, two))
	w.isAt("main", two)
	w.must(w.move(m, "main", one, two))
	w.must(w.move(m, "fairlead/new", "", one))
	w.isAt("fairlead/new", one)
	w.must(w.move(m, "fairlead/new", "", one))
	if w.asks["push"] != 2 {
		w.Errorf("%d pushes for two moves", w.asks["push"])
	}
	if w.read(w.head(m), "a") != "2" {
		w.Error("the mirror does not follow")
	}
}

// movedElsewhere: a branch that is not where it was, or not at all, stays so.
func movedElsewhere(w *world) {
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	two := w.commit("next", "two", gitserver.Write("a", "2"))
	three := w.commit("main", "three", gitserver.Write("a", "3"))
	m := w.mirror()
	for _, v := range []git.Move{{Branch: "main", From: one, To: two}, {Branch: "main", To: two}, {Branch: "gone", From: one, To: two}} {
		err := m.Move(w.Context(), w.auth, v)
		w.wantErr(err, fault.Conflict, "moved meanwhile", v.Branch)
		if !errors.Is(err, git.ErrMoved) {
			w.Errorf("%v is not ErrMoved", err)
		}
	}
	w.isAt("main", three)
	w.isAt("gone", "")
	if w.asks["push"] != 0 {
		w.Errorf("%d pushes in vain", w.asks["push"])
	}
}

// moveRefused: what the server's hook says is what the error says, in one line and not more than a few.
func moveRefused(w *world) {
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	two := w.commit("next", "two", gitserver.Write("a", "2"))
	w.hook("pre-receive", `printf 'GH006: main is \033[31mprotected\033[0m\nask Ada\n' >&2; head -c 100000 /dev/zero | tr '\0' x >&2; exit 1`)
	m := w.mirror()
	err := w.move(m, "main", one, two)
	w.wantErr(err, fault.Denied, "pre-receive hook declined", "GH006: main is", "ask Ada")
	if errors.Is(err, git.ErrMoved) || errors.Is(err, git.ErrUnknown) || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\033") {
		w.Errorf("got %d bytes: %v", len(err.Error()), err)
	}
	w.isAt("main", one)
}

// moveRewound: a server that takes no forced moves takes none from us.
func moveRewound(w *world) {
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	two := w.commit("main", "two", gitserver.Write("a", "2"))
	w.git(w.repo.Dir, "config", "receive.denyNonFastForwards", "true")
	w.wantErr(w.move(w.mirror(), "main", two, one), fault.Denied, "non-fast-forward")
	w.isAt("main", two)
}

// moveRace: of many who move a branch from one place to different ones, one does, and the others learn it.
func moveRace(w *world) {
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	var to []source.Commit
	for i := range 4 {
		w.must(w.repo.Reset(w.Context(), "next", one))
		to = append(to, w.commit("next", "next", gitserver.Write("a", fmt.Sprint("next ", i))))
	}
	errs := make([]error, len(to))
	m, err := git.Open(w.TempDir(), w.url, git.Options{})
	w.must(err)
	w.Cleanup(func() { _ = m.Close() })
	var wg sync.WaitGroup
	for i := range to {
		wg.Go(func() { errs[i] = w.move(m, "main", one, to[i]) })
	}
	wg.Wait()
	head, err := w.repo.Head(w.Context(), "main")
	w.must(err)
	for i, err := range errs {
		if won := head == to[i]; won != (err == nil) || !won && !errors.Is(err, git.ErrMoved) {
			w.Errorf("main is at %s; who moved it to %s got %v", head, to[i], err)
		}
	}
}

// diedBefore: that a server ended without an answer, and the branch is where it was, settles nothing. Asked again, it does.
func diedBefore(w *world) {
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	two := w.commit("next", "two", gitserver.Write("a", "2"))
	w.hook("pre-receive", "kill -9 $PPID")
	m := w.mirror()
	err := w.move(m, "main", one, two)
	w.wantErr(err, fault.Transient, "not known")
	if !errors.Is(err, git.ErrUnknown) {
		w.Errorf("%v is not ErrUnknown", err)
	}
	w.unhook("pre-receive")
	w.must(w.move(m, "main", one, two))
	w.isAt("main", two)
}

// diedAfter: that a server ended without an answer, and the branch is where it was to go, is success.
func diedAfter(w *world) {
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	two := w.commit("next", "two", gitserver.Write("a", "2"))
	w.hook("reference-transaction", `if test "$1" = committed; then kill -9 $PPID; fi`)
	w.must(w.move(w.mirror(), "main", one, two))
	w.isAt("main", two)
}

// moveNonsense: what cannot be asked for is not.
func moveNonsense(w *world) {
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	m := w.mirror()
	for _, name := range []string{"", "a b", "a\x00b", "a..b", "a~", "/a", "a/", "-a", "a.lock", "a@{1}", "a//b", "a.", "x\nx"} {
		w.wantErr(w.move(m, name, one, one), fault.Invalid)
	}
	w.wantErr(w.move(m, "main", one, ""), fault.Internal)
	w.wantErr(w.move(m, "main", "main", one), fault.Internal)
	other := strings.Repeat("1", 104-len(one))
	w.wantErr(w.move(m, "main", "", source.Commit(other)), fault.Invalid, "format")
	w.wantErr(w.move(m, "main", one, source.Commit(strings.Repeat("1", len(one)))), fault.Denied, "refuses")
	w.isAt("main", one)
}

// TestMoveWithoutRight: over HTTP, the server's own words are told, and the field that the credentials come from.
func TestMoveWithoutRight(t *testing.T) {
	w := newWorld(t, gitserver.Options{}, "")
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	w.auth = git.Auth{Username: "ci", Password: "hunter2", Field: "spec.candidate"}
	err := w.move(w.mirror(), "main", "", one)
	w.wantErr(err, fault.Denied, "pushes are not taken", "may not write to this repository", "Secret in spec.candidate")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error tells the password: %v", err)
	}
	w = newWorld(t, gitserver.Options{Push: true, BearerToken: "hunter2"}, "")
	w.wantErr(w.move(w.mirror(), "main", "", one), fault.Denied, "wants credentials", "spec.secretRef")
	w.auth = git.Auth{BearerToken: "wrong-horse"}
	if err := w.move(w.mirror(), "main", "", one); fault.KindOf(err) != fault.Denied || strings.Contains(err.Error(), "horse") {
		t.Errorf("got %v", err)
	}
}

// TestMoveSSHWithoutRight: over SSH too.
func TestMoveSSHWithoutRight(t *testing.T) {
	host, user := newKey(t), newKey(t)
	w := newWorld(t, gitserver.Options{SSH: &gitserver.SSH{HostKey: signer(t, host), Authorized: signer(t, user).PublicKey()}}, "")
	w.url = w.srv.SSHURL("shop")
	w.auth = git.Auth{Identity: keyPEM(t, user, ""), KnownHosts: knownLine(w.srv.SSHAddr(), signer(t, host))}
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	w.wantErr(w.move(w.mirror(), "main", "", one), fault.Denied, "only git-upload-pack is served here", "Secret in spec.secretRef may write to it")
}

// TestMoveAnswers: whatever comes back instead of a report, nobody is told that the branch was moved unless it was, nor that it was not if that is not known.
func TestMoveAnswers(t *testing.T) {
	side := func(text string) string { return fmt.Sprintf("%04x\x01%s", len(text)+5, text) }
	const ok = "000eunpack ok\n0017ok refs/heads/main\n0000"
	for name, c := range map[string]struct {
		answer  string
		moves   bool // the server does as it is asked, whatever it says
		unknown bool
	}{
		"nothing_moved": {"", true, false},
		"nothing":       {"", false, true},
		"cut_moved":     {side("000eunpack ok\n0017ok refs"), true, false},
		"cut":           {side("000eunpack ok\n0017ok refs"), false, true},
		"garbage":       {"<html>", false, true},
		"other_ref":     {side("000eunpack ok\n0018ok refs/heads/other\n0000"), false, true},
		"no_ref":        {side("000eunpack ok\n0000"), false, true},
		"twice":         {side("000eunpack ok\n0017ok refs/heads/main\n0017ok refs/heads/main\n0000"), false, true},
		"not_unpacked":  {side("000eunpack no\n0017ok refs/heads/main\n0000"), false, true},
		"denied":        {side("000eunpack ok\n001dng refs/heads/main why\x1b\x00\n0000"), false, false},
		"denied_unpack": {side("0010unpack disk\n0020ng refs/heads/main unpacker\n0000"), false, false},
		"fatal":         {"0013\x03out of memory\n", false, false},
		"chatter":       {strings.Repeat("ffef\x02"+strings.Repeat("x", 0xffef-5), 40), false, true},
		"channel":       {"0006\x07x", false, true},
		"done_and_on":   {side(ok) + strings.Repeat("ffef\x02"+strings.Repeat("x", 0xffef-5), 40), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, gitserver.Options{Push: true}, "")
			one := w.commit("main", "one", gitserver.Write("a", "1"))
			two := w.commit("next", "two", gitserver.Write("a", "2"))
			if !c.moves {
				w.hook("pre-receive", "exit 1")
			}
			w.url = front(t, w.url, nil, func(rw http.ResponseWriter, _ []byte) { _, _ = io.WriteString(rw, c.answer) }) + "/shop.git"
			err := w.move(w.mirror(), "main", one, two)
			if c.moves {
				w.must(err)
				return
			}
			kind := fault.Denied
			if c.unknown {
				kind = fault.Transient
			}
			w.wantErr(err, kind)
			if errors.Is(err, git.ErrUnknown) != c.unknown || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x00\x1b\n") {
				t.Errorf("got %q", err)
			}
		})
	}
}

// TestMoveRedirect: the credentials stay with the host they are for.
func TestMoveRedirect(t *testing.T) {
	w := newWorld(t, gitserver.Options{Push: true}, "")
	one := w.commit("main", "one", gitserver.Write("a", "1"))
	spied := 0
	spy := front(t, w.url, func(r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s got the credentials", r.URL)
		}
		spied++
	}, nil)
	w2 := newWorld(t, gitserver.Options{Fault: func(rw http.ResponseWriter, r *http.Request) bool {
		http.Redirect(rw, r, spy+"/shop.git/info/refs?"+r.URL.RawQuery, http.StatusMovedPermanently)
		return true
	}}, "")
	w2.auth = git.Auth{Username: "ci", Password: "hunter2"}
	w.must(w2.move(w2.mirror(), "new", "", one))
	w.isAt("new", one)
	if spied != 2 {
		t.Errorf("%d requests", spied)
	}
}
