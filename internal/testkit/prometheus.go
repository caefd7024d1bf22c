package testkit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Prometheus is a Prometheus as a process: see the package prometheus.
type Prometheus struct{ server string }

// Alert is an alert rule of a Prometheus, and how it stands.
type Alert struct {
	Name, File string
	// State is inactive, pending or firing; Health is unknown, ok or err, with the Error.
	State, Health, Error string
	Looked               time.Time
	Firing               []struct{ Labels, Annotations map[string]string }
}

// StartPrometheus runs a Prometheus of a configuration until the test ends.
func StartPrometheus(t testing.TB, config string) *Prometheus {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := up(t, Binary(t, "prometheus"), []string{file, filepath.Join(dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	return &Prometheus{server}
}

// URL is where its HTTP API is: of that, instant queries.
func (p *Prometheus) URL() string { return p.server }

// Query is the result of an instant query: a list of samples, each with its metric.
func (p *Prometheus) Query(ctx context.Context, expr string) ([]map[string]any, error) {
	var all []map[string]any
	return all, p.get(ctx, "/query?query="+url.QueryEscape(expr), &all)
}

// Alerts are all alert rules.
func (p *Prometheus) Alerts(ctx context.Context) ([]Alert, error) {
	var all []Alert
	return all, p.get(ctx, "/rules", &all)
}

func (p *Prometheus) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("prometheus: %s: %s", resp.Status, data)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}
