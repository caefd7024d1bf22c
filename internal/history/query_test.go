package history_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/history"
)

func TestQuery(t *testing.T) {
	for _, q := range []history.Query{
		{},
		{Environments: []string{"prod", "staging & co"}, App: "web", Kinds: []history.Kind{history.Drift, history.Prune}, From: day, To: day.Add(time.Microsecond), Newest: 3},
		{To: day, Latest: true},
	} {
		v, err := url.ParseQuery(q.Values().Encode())
		if err != nil {
			t.Fatal(err)
		}
		got, err := history.ParseQuery(v)
		if diff := cmp.Diff(q, got); err != nil || diff != "" {
			t.Errorf("%v (-sent +read):\n%s", err, diff)
		}
	}
	for _, bad := range []string{"kind=Party", "from=yesterday", "newest=x", "latest=maybe", "author=me", "app=a&app=b", "to=1"} {
		v, _ := url.ParseQuery(bad)
		if q, err := history.ParseQuery(v); fault.KindOf(err) != fault.Invalid || err == nil {
			t.Errorf("%s is read as %+v, %v", bad, q, err)
		}
	}
}
