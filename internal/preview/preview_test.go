package preview_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/plan"
	"github.com/fairlead-cd/fairlead/internal/preview"
)

// A file holds reply.json, and how it is printed: text and markdown.
func TestPrint(t *testing.T) {
	golden.Run(t, "testdata/*.txtar", func(t *testing.T, ar *txtar.Archive) {
		var r preview.Reply
		if err := json.Unmarshal(ar.Files[0].Data, &r); err != nil {
			t.Fatal(err)
		}
		golden.Set(ar, "text", r.Text())
		golden.Set(ar, "markdown", preview.Markdown(r))
	})
}

func TestSignature(t *testing.T) {
	key, body, at := []byte("a key that is long enough"), []byte(`{"namespace": "team"}`), time.Unix(1_800_000_000, 0)
	good := preview.Sign(key, body, at)
	for name, c := range map[string]struct {
		key, body []byte
		header    string
		now       time.Time
		ok        bool
	}{
		"good":          {key, body, good, at, true},
		"a little late": {key, body, good, at.Add(preview.Skew), true},
		"late":          {key, body, good, at.Add(preview.Skew + time.Second), false},
		"early":         {key, body, good, at.Add(-preview.Skew - time.Second), false},
		"other key":     {[]byte("another key, long enough"), body, good, at, false},
		"other body":    {key, []byte(`{}`), good, at, false},
		"other time":    {key, body, strings.Replace(good, "t=1800000000", "t=1800000001", 1), at, false},
		"no key":        {nil, body, preview.Sign(nil, body, at), at, false},
		"short key":     {[]byte("short"), body, preview.Sign([]byte("short"), body, at), at, false},
		"nothing":       {key, body, "", at, false},
		"no time":       {key, body, strings.Replace(good, "t=1800000000", "t=", 1), at, false},
		"a long time":   {key, body, strings.Replace(good, "t=", "t=0000000", 1), at, false},
		"cut off":       {key, body, good[:len(good)-2], at, false},
	} {
		err := preview.Verify(c.key, c.body, c.header, c.now)
		if (err == nil) != c.ok || err != nil && fault.KindOf(err) != fault.Denied {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzVerify holds that nothing but the signature itself verifies, and that no header upsets anybody.
func FuzzVerify(f *testing.F) {
	key, body, at := []byte("a key that is long enough"), []byte("body"), time.Unix(1_800_000_000, 0)
	good := preview.Sign(key, body, at)
	for _, s := range []string{good, "", "t=1,v1=", "t=1800000000,v1=00", good + ",v1=00", "v1=00,t=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if err := preview.Verify(key, body, header, at); err == nil && !strings.EqualFold(header, good) {
			t.Errorf("%q verifies", header)
		}
	})
}

// FuzzRequest holds that a request that is accepted is one, and is read again as it is written.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"namespace": "team", "environment": "prod", "to": "main", "from": "v1"}`))
	f.Add([]byte(`{"namespace": "team", "environment": "prod", "rendered": [{"app": "web", "manifests": "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\n"}], "whole": true}`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := preview.ParseRequest(data)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v is of kind %s", err, fault.KindOf(err))
			}
			return
		}
		if r.Namespace == "" || r.Environment == "" || strings.HasPrefix(r.To, "-") {
			t.Errorf("accepted: %+v", r)
		}
		for _, x := range r.Rendered {
			if _, err := x.Objects(); err != nil && fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v is of kind %s", err, fault.KindOf(err))
			}
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := preview.ParseRequest(again); err != nil {
			t.Errorf("what was read is not read again: %v", err)
		}
	})
}

// large is a reply that is far too large.
func large(apps, steps int) preview.Reply {
	r := preview.Reply{Namespace: "team", Environment: "prod"}
	for i := range apps {
		a := preview.App{Name: fmt.Sprintf("app-%04d", i)}
		for j := range steps {
			s := preview.Step{Do: plan.Update, Object: fmt.Sprintf("ConfigMap shop/c%d", j), Kind: "ConfigMap", Namespace: "shop", Name: fmt.Sprintf("c%d", j), Round: 1}
			for k := range 20 {
				s.Changes = append(s.Changes, preview.Change{Path: fmt.Sprintf("data.key%d", k), From: strings.Repeat("x", 160), To: strings.Repeat("y", 160)})
			}
			a.Steps = append(a.Steps, s)
		}
		r.Apps = append(r.Apps, a)
	}
	return r
}

// TestBounds holds that a reply and a comment are bounded, and say what was left out.
func TestBounds(t *testing.T) {
	for _, c := range []struct{ apps, steps int }{{1, 1}, {1, 5000}, {50, 100}, {3000, 2}} {
		r := preview.Fit(large(c.apps, c.steps), preview.MostReply)
		data, err := json.Marshal(r)
		if err != nil || len(data) > preview.MostReply {
			t.Errorf("%d apps of %d steps: %d bytes, %v", c.apps, c.steps, len(data), err)
		}
		if small := c.apps*c.steps == 1; small != (r.LeftOut == "") {
			t.Errorf("%d apps of %d steps: left out %q", c.apps, c.steps, r.LeftOut)
		}
		if !r.Changes() {
			t.Errorf("%d apps of %d steps: nothing would be done", c.apps, c.steps)
		}
		if text := preview.Markdown(r, r); len(text) > preview.MostMarkdown {
			t.Errorf("%d apps of %d steps: a comment of %d bytes", c.apps, c.steps, len(text))
		} else if c.apps > 1 && !strings.Contains(text, "Left out") {
			t.Errorf("%d apps of %d steps: the comment does not say that something is left out", c.apps, c.steps)
		}
	}
}

func secret(value string) object.Object {
	return object.New(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "db", "namespace": "shop", "annotations": map[string]any{"copy": value}},
		"data": map[string]any{"password": value, "same": "c2FtZQ=="},
	})
}

// TestSecrets holds that nothing of a Secret is told but that it changes, and that tags cannot be compared with those of other fields.
func TestSecrets(t *testing.T) {
	a := preview.Compare("web", []object.Object{secret("canary-one")}, []object.Object{secret("canary-two")}, preview.Tagger{Key: []byte("k")})
	data, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(data), a.Text()} {
		if strings.Contains(text, "canary") || strings.Contains(text, "c2FtZQ") {
			t.Errorf("the value of a Secret is told: %s", text)
		}
		if strings.Contains(text, "data.same") || !strings.Contains(text, "data.password") {
			t.Errorf("it does not say which of the values changes: %s", text)
		}
	}
	if c := a.Steps[0].Changes; len(c) != 2 || c[0].From == c[0].To || c[0].From == c[1].From || !c[0].Secret {
		t.Errorf("the tags are %v", c)
	}
	again := preview.Compare("web", []object.Object{secret("canary-two")}, []object.Object{secret("canary-one")}, preview.Tagger{Key: []byte("k")})
	if again.Steps[0].Changes[0].From != a.Steps[0].Changes[0].To {
		t.Error("equal values have different tags")
	}
	other := preview.Compare("web", []object.Object{secret("canary-one")}, []object.Object{secret("canary-two")}, preview.Tagger{Key: []byte("other")})
	if other.Steps[0].Changes[0].From == a.Steps[0].Changes[0].From {
		t.Error("tags do not depend on the key")
	}
}
