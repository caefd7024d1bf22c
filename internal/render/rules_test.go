package render_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/render"
	"github.com/fairlead-cd/fairlead/internal/source/sourcetest"
)

// cluster is an Outside that has objects.
type cluster []object.Object

func (c cluster) Ask(q render.Question) (render.Answer, error) {
	for _, o := range c {
		if k := o.Key(); (q.About == render.AboutObject || q.About == render.AboutSetting) && k == (object.Key{Group: q.GVK.Group, Kind: q.GVK.Kind, Namespace: q.Namespace, Name: q.Name}) {
			return render.Answer{ID: o.Hash(), Objects: []object.Object{o}}, nil
		}
	}
	if q.About == render.AboutKey {
		return render.Answer{ID: "key", Key: []byte("a key")}, nil
	}
	if q.About != render.AboutObject && q.About != render.AboutSetting {
		return render.Answer{}, fault.Newf(fault.Invalid, "nobody answers %s", q)
	}
	return render.Answer{ID: render.Nothing}, nil
}

var inHome = render.Place{App: "web", Environment: "production", Home: "team", Namespace: "shop"}

// TestRules renders the directory "app" by the rules of an Environment, with the objects of outside.yaml in the cluster.
func TestRules(t *testing.T) {
	golden.Run(t, "testdata/outside/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		files := sourcetest.FromArchive(ar)
		var rules render.Rules
		if err := json.Unmarshal([]byte(files["rules.json"]), &rules); err != nil {
			t.Fatal(err)
		}
		var live cluster
		if text, ok := files["outside.yaml"]; ok {
			objs, err := object.Parse("outside.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			live = objs
		}
		for _, name := range []string{"rules.json", "outside.yaml", "want/objects", "want/error", "want/asked"} {
			delete(files, name)
		}
		golden.Drop(ar, "want/objects", "want/error", "want/asked")
		req := render.Request{Tree: sourcetest.New(files), Dir: "app", Place: inHome, Rules: rules, Outside: live}
		res, err := render.Render(req)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v is not fault.Invalid", err)
			}
			golden.Set(ar, "want/error", err.Error()+"\n")
		} else {
			var b strings.Builder
			for _, o := range res.Objects {
				fmt.Fprintf(&b, "# %s\n%s", o.Origin(), o.YAML())
			}
			golden.Set(ar, "want/objects", b.String())
		}
		var asked []string
		for _, q := range res.Asked.Questions() {
			asked = append(asked, q.String()+"\n")
		}
		if len(asked) > 0 {
			golden.Set(ar, "want/asked", strings.Join(asked, ""))
		}
		again, againErr := render.Render(req)
		if fmt.Sprint(err) != fmt.Sprint(againErr) || !slices.EqualFunc(res.Objects, again.Objects, func(a, b object.Object) bool { return a.Hash() == b.Hash() }) {
			t.Error("the same request has another result the second time")
		}
	})
}
