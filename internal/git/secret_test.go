package git_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fairlead-cd/fairlead/internal/git"
)

// TestAuthIsNeverPrinted: by no verb, encoder or log, neither by value nor by pointer nor inside something else.
func TestAuthIsNeverPrinted(t *testing.T) {
	const secret = "hunter2"
	a := git.Auth{Username: secret, Password: secret, BearerToken: secret, Identity: []byte(secret), Passphrase: []byte(secret), KnownHosts: []byte(secret), CA: []byte(secret)}
	var out strings.Builder
	for _, v := range []any{a, &a, []git.Auth{a}, map[string]git.Auth{"a": a}, struct{ A git.Auth }{a}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d\n", v, v, v, v, v, v, v)
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "auth", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "auth", v)
	}
	for _, form := range []string{secret, fmt.Sprintf("%x", secret), "104 117 110 116", "aHVudGVyMg"} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the output holds %q:\n%s", form, out.String())
		}
	}
}
