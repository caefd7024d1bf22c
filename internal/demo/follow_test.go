package demo

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func seen(name, version, phase string) sighting {
	u := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"phase": phase}}}
	u.SetName(name)
	u.SetResourceVersion(version)
	return sighting{at: time.Now(), obj: u}
}

func phase(s sighting) string { return field(s.obj, "status", "phase") }

func TestFindSkipsWhatWasBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &follower{changed: make(chan struct{})}
		f.add(seen("web", "9", "info"))
		f.add(seen("web", "10", "trace"))
		go func() {
			time.Sleep(time.Second)
			f.add(seen("web", "11", "info"))
		}()
		began := time.Now()
		got, err := f.find(t.Context(), "info", "10", func(s sighting) bool { return phase(s) == "info" })
		if err != nil || got.obj.GetResourceVersion() != "11" || got.at.Sub(began) != time.Second {
			t.Errorf("got version %s after %s, %v", got.obj.GetResourceVersion(), got.at.Sub(began), err)
		}
	})
}

func TestUntilTellsWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &follower{changed: make(chan struct{})}
		f.add(seen("web", "1", "Synced"))
		f.add(seen("api", "2", "Failed"))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("not within a minute"))
		defer cancel()
		_, err := f.until(ctx, f.mark(), func(state map[string]*unstructured.Unstructured) string {
			if len(state) == 2 && field(state["api"], "status", "phase") == "Failed" {
				return "api has failed"
			}
			return ""
		})
		if err == nil || err.Error() != "not within a minute: api has failed" {
			t.Errorf("got %v", err)
		}
	})
}

func TestUntilIgnoresStatesBeforeTheMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &follower{changed: make(chan struct{})}
		f.add(seen("web", "1", "Synced"))
		f.add(seen("web", "2", "Failed"))
		from := f.mark()
		f.add(seen("web", "3", "Failed"))
		gone := seen("web", "4", "Failed")
		gone.gone = true
		time.Sleep(time.Second)
		gone.at = time.Now()
		f.add(gone)
		at, err := f.until(t.Context(), from, func(state map[string]*unstructured.Unstructured) string {
			if web := state["web"]; web != nil && field(web, "status", "phase") != "Synced" {
				return "web is not Synced"
			}
			return ""
		})
		if err != nil || !at.Equal(gone.at) {
			t.Errorf("got %s, %v, want the moment at which web went", at, err)
		}
	})
}

func TestFollowerThatEnded(t *testing.T) {
	f := &follower{changed: make(chan struct{}), err: errEnded}
	if _, err := f.find(t.Context(), "web", "", func(sighting) bool { return false }); !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "web") {
		t.Errorf("got %v", err)
	}
}
