package ledger_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-cd/fairlead/internal/app"
	"github.com/fairlead-cd/fairlead/internal/ledger"
	"github.com/fairlead-cd/fairlead/internal/object"
)

// follower tells a follower of lists and events, and looks at what it tells.
func (b bench) follower(t *testing.T) {
	l, secrets := b.open(t)
	for _, s := range []string{"api", "web"} {
		if _, err := l.Save(t.Context(), app.Record{App: name(s), Claims: claimsOf(s)}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := secrets.List(t.Context(), metav1.ListOptions{LabelSelector: ledger.Heads})
	if err != nil || len(list.Items) != 2 {
		t.Fatalf("%d heads: %v", len(list.Items), err)
	}
	api, web := &list.Items[0], &list.Items[1]
	var told []string
	f := ledger.NewFollower([]app.Name{name("web"), name("old")}, func(n app.Name, claims app.Claims) {
		word := n.App + " is gone"
		for k := range claims {
			word = n.App + " claims " + k.Name
		}
		told = append(told, word)
	})
	for _, c := range []struct {
		what string
		do   func()
		want []string
	}{
		{"the first list", func() { f.Replace([]*corev1.Secret{api, web}) }, []string{"api claims api", "web claims web", "old is gone"}},
		{"an event", func() { f.Put(web) }, []string{"web claims web"}},
		{"a deletion", func() { f.Drop(web) }, []string{"web is gone"}},
		{"the same again", func() { f.Drop(web) }, nil},
		{"another list", func() { f.Replace(nil) }, []string{"api is gone"}},
	} {
		told = nil
		if c.do(); !slices.Equal(told, c.want) {
			t.Errorf("%s: it told %q, want %q", c.what, told, c.want)
		}
	}
}

func claimsOf(name string) app.Claims {
	k := object.Key{Kind: "ConfigMap", Name: name}
	return app.Claims{k: {Key: k, Version: "v1"}}
}
