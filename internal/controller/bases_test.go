package controller

import (
	"testing"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

func TestRemoteBaseOf(t *testing.T) {
	env := &v1alpha1.Environment{}
	if _, field := remoteBaseOf(env, "https://git.example.com/org/repo"); field != "" {
		t.Errorf("nothing is said, and %s allows it", field)
	}
	env.Spec.Render = &v1alpha1.Render{RemoteBases: []v1alpha1.RemoteBase{
		{URL: "https://git.example.com/org"}, {URL: "https://git.example.com/org/one.git/"}, {URL: "git@git.example.com:org"}, {URL: "ssh://deploy@git.example.com/org"}, {URL: "https://GIT.example.net"},
	}}
	for url, want := range map[string]string{
		"https://git.example.com/org/repo":          "spec.render.remoteBases[0]",
		"https://git.example.com/org/repo.git":      "spec.render.remoteBases[0]",
		"https://git.example.com/org":               "spec.render.remoteBases[0]",
		"https://git.example.com/org/one":           "spec.render.remoteBases[1]",
		"git@git.example.com:org/repo":              "spec.render.remoteBases[2]",
		"git@git.example.com:/org/repo":             "spec.render.remoteBases[2]",
		"ssh://git.example.com/org/repo":            "spec.render.remoteBases[2]",
		"ssh://deploy@git.example.com/org/repo":     "spec.render.remoteBases[3]",
		"https://git.example.net/any/repo":          "spec.render.remoteBases[4]",
		"http://git.example.com/org/repo":           "",
		"https://git.example.com/organisation/repo": "",
		"https://git.example.com.evil.net/org/repo": "",
		"https://git.example.com:444/org/repo":      "",
		"https://evil.net/git.example.com/org/repo": "",
		"ssh://root@git.example.com/org/repo":       "",
		"git@git.example.com:other/repo":            "",
	} {
		if _, field := remoteBaseOf(env, url); field != want {
			t.Errorf("%s: %q, and not %q", url, field, want)
		}
	}
}
