package controller

import (
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

func TestMergePatch(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{`{}`, `{}`, `{}`},
		{`{}`, `{"n":0,"list":null,"of":{"a":1}}`, `{"list":null,"n":0,"of":{"a":1}}`},
		{`{"a":1,"b":"x"}`, `{"a":1,"b":"y"}`, `{"b":"y"}`},
		{`{"a":1,"b":"x"}`, `{"b":"x"}`, `{"a":null}`},
		{`{"of":{"a":1,"b":2}}`, `{"of":{"a":1,"b":3,"c":"\u003c4\u003e"}}`, `{"of":{"b":3,"c":"\u003c4\u003e"}}`},
		{`{"of":{"a":{"x":1}},"n":1}`, `{"of":{"a":{}},"n":1}`, `{"of":{"a":{"x":null}}}`},
		{`{"list":[1,{"a":1}]}`, `{"list":[1,{"a":2}]}`, `{"list":[1,{"a":2}]}`},
		{`{"list":[1]}`, `{"list":null}`, `{"list":null}`},
		{`{"v":{"a":1}}`, `{"v":[1]}`, `{"v":[1]}`},
		{`{"v":[1]}`, `{"v":{"a":1}}`, `{"v":{"a":1}}`},
		{`{"v":1,"w":{}}`, `{"w":{},"v":1}`, `{}`},
		{`{"a":"x\\"}`, `{"a":"\",}]{[:","b":"\\"}`, `{"a":"\",}]{[:","b":"\\"}`},
		{`{"a,\"":[[],{"b":"]"}]}`, `{"a,\"":[[],{"b":"}"}],"c":true}`, `{"a,\"":[[],{"b":"}"}],"c":true}`},
	} {
		got, err := mergePatch([]byte(c.before), []byte(c.after))
		if err != nil || string(got) != c.want {
			t.Errorf("from %s to %s: %s (%v), want %s", c.before, c.after, got, err, c.want)
		}
		library, err := jsonpatch.CreateMergePatch([]byte(c.before), []byte(c.after))
		if err != nil || !jsonpatch.Equal(got, library) {
			t.Errorf("from %s to %s: %s, and the library says %s (%v)", c.before, c.after, got, library, err)
		}
	}
	for _, broken := range []string{``, `{`, `[]`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":{"b":1}`, `{"a":"}`, `{"a":}`, `{,}`} {
		if got, err := mergePatch([]byte(broken), []byte(`{}`)); err == nil {
			t.Errorf("of %s: %s", broken, got)
		}
	}
}
