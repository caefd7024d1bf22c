package git

import (
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]address{
		"https://git.example.com/shop/config.git":      {"https", "", "git.example.com", "/shop/config.git"},
		"http://127.0.0.1:8080/a%20b/":                 {"http", "", "127.0.0.1:8080", "/a%20b"},
		"ssh://git.example.com/shop/config.git":        {"ssh", "git", "git.example.com", "/shop/config.git"},
		"ssh://ada@git.example.com:2222/~ada/x":        {"ssh", "ada", "git.example.com:2222", "~ada/x"},
		"git@git.example.com:shop/config.git":          {"ssh", "git", "git.example.com", "shop/config.git"},
		"ada@git.example.com:/srv/git/x":               {"ssh", "ada", "git.example.com", "/srv/git/x"},
		"git@[::1]:x":                                  {"ssh", "git", "[::1]", "x"},
		"ssh://git@[::1]:22/x":                         {"ssh", "git", "[::1]:22", "/x"},
		"org-1@vs-ssh.example.com:v3/org/project/repo": {"ssh", "org-1", "vs-ssh.example.com", "v3/org/project/repo"},
	} {
		if got, err := parseURL(text); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "x", "/srv/git/x", "file:///srv/git/x", "git://git.example.com/x", "https://", "https://git.example.com", "https://git.example.com/",
		"https://ada@git.example.com/x", "https://ada:hunter2@git.example.com/x", "ssh://ada:hunter2@git.example.com/x", "https://git.example.com/x?y", "https://git.example.com/x#y",
		"https://git.example.com:99999/x", "https://git.example.com:0/x", "git@host:", "@host:x", "git@:x", "git@host:-x", "git@-oProxyCommand=x:y", "-oProxyCommand=x@host:y", "ssh://-oProxyCommand=x@host/y", "git@host:a'b",
		"ssh://-oProxyCommand=x/y", "ssh://host/a'$(x)'", "https://a b/x", "ext::sh -c x", "git@host:a\nb", strings.Repeat("x", 3000), "https://%zz:hunter2@x/y",
	} {
		a, err := parseURL(text)
		if fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%q: got %+v, %v", text, a, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

// FuzzURL: what is accepted cannot be taken for an option or a command, and holds no password.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"https://h/x", "ssh://u@h:1/x", "u@h:x", "u@[::1]:x", "ssh://h/~x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseURL(text)
		if err != nil {
			return
		}
		if a.host == "" || a.path == "" || strings.HasPrefix(a.host, "-") {
			t.Errorf("%q: %+v", text, a)
		}
		if a.scheme == "ssh" && (a.user == "" || strings.HasPrefix(a.user, "-") || strings.ContainsAny(a.path, "'\x00") || strings.HasPrefix(a.path, "-")) {
			t.Errorf("%q: %+v", text, a)
		}
		if a.scheme != "ssh" && strings.Contains(a.String(), "@") && !strings.Contains(a.path, "@") {
			t.Errorf("%q: %s", text, a)
		}
	})
}
