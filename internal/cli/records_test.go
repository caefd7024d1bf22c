package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-cd/fairlead/internal/history"
)

// Who has more ServiceAccounts than the controller answers for in a second waits, and gets all the same what there is.
func TestRecordsAreAskedForAgain(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/serviceaccounts/deployer/token"):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprint(w, `{"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "status": {"token": "good"}}`)
		case asked == 0:
			asked++
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			asked++
		}
	}))
	defer server.Close()
	a := asker{config: &rest.Config{Host: server.URL}, base: server.URL, client: server.Client(), direct: true}
	records, _, err := a.records(t.Context(), account{"shop", "deployer"}, "/shop", history.Query{})
	if err != nil || asked != 2 || len(records) != 0 {
		t.Errorf("asked %d times: %v, %v", asked, records, err)
	}
}
