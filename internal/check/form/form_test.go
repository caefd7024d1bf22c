package form_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/fairlead-cd/fairlead/internal/check"
	"github.com/fairlead-cd/fairlead/internal/check/form"
	"github.com/fairlead-cd/fairlead/internal/golden"
	"github.com/fairlead-cd/fairlead/internal/object"
	"github.com/fairlead-cd/fairlead/internal/origin"
)

var result = form.Result{
	Apps: []string{"apps/web", "production/api", "apps/quiet"}, Kubernetes: "1.36", Version: "1.0.0", FailOn: check.Error,
	Asides: []string{"1 Helm chart not checked: charts/web"},
	Findings: []check.Finding{
		{
			Rule: "unknown-field", Severity: check.Error, App: "apps/web", Also: []string{"apps/other"},
			Object: object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, Path: "spec.template.spec.contaners",
			Place: origin.Place{File: "apps/web/a, b: 50%.yaml", Line: 14, Column: 9}, Message: `no such field; did you mean "containers"?`, Remedy: "write containers",
		},
		{
			Rule: "image-tag", Severity: check.Note, App: "apps/web", Object: object.Key{Kind: "Pod", Name: "p"}, Path: "spec.containers[a].image",
			Place: origin.Place{File: "apps/web/a, b: 50%.yaml", Line: 120, Column: 16}, Message: "the image <a> & \x1b[31mb\nhas no tag",
		},
		{Rule: "missing-secret", Severity: check.Warning, App: "production/api", Place: origin.Place{File: "apps/api/é.yaml", Line: 3}, Message: "Secret x does not exist"},
		{Rule: "render", Severity: check.Error, App: "apps/new", Place: origin.Place{File: "apps/new"}, Message: "renders to no objects"},
	},
}

// TestForms runs testdata/forms.txtar: one result in every form.
func TestForms(t *testing.T) {
	golden.Run(t, "testdata/forms.txtar", func(t *testing.T, ar *txtar.Archive) {
		for _, name := range form.Names {
			var b bytes.Buffer
			if err := form.Write(&b, form.Form(name), result); err != nil {
				t.Fatal(err)
			}
			golden.Set(ar, name, b.String())
		}
		shown := result
		shown.Colour, shown.Shown = true, func(p string) string { return "../" + p }
		var b bytes.Buffer
		if err := form.Write(&b, form.Text, shown); err != nil {
			t.Fatal(err)
		}
		golden.Set(ar, "text in colour, from elsewhere", strings.ReplaceAll(b.String(), "\x1b", "^"))
	})
}

// TestSARIF holds what the schema of SARIF 2.1.0 requires of what is written.
func TestSARIF(t *testing.T) {
	var b bytes.Buffer
	if err := form.Write(&b, form.SARIF, result); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID string
					}
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" || len(log.Runs[0].Results) != len(result.Findings) {
		t.Fatalf("not a log of one run: %+v", log)
	}
	run := log.Runs[0]
	for i, r := range run.Results {
		at := r.Locations[0].PhysicalLocation
		uri, err := url.Parse(at.ArtifactLocation.URI)
		switch {
		case err != nil || uri.Path != result.Findings[i].Place.File:
			t.Errorf("%s is not the URI of %s: %v", at.ArtifactLocation.URI, result.Findings[i].Place.File, err)
		case run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID:
			t.Errorf("%s has the index of another rule", r.RuleID)
		case !slices.Contains([]string{"none", "note", "warning", "error"}, r.Level), r.Message.Text == "":
			t.Errorf("%s: level %q, message %q", r.RuleID, r.Level, r.Message.Text)
		case at.Region != nil && at.Region.StartLine < 1:
			t.Errorf("%s: line %d", r.RuleID, at.Region.StartLine)
		}
	}
}

// TestJUnit holds that the counts are those of the cases.
func TestJUnit(t *testing.T) {
	for _, failOn := range []check.Severity{check.Error, check.Note} {
		r := result
		r.FailOn = failOn
		var b bytes.Buffer
		if err := form.Write(&b, form.JUnit, r); err != nil {
			t.Fatal(err)
		}
		var all struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Suites   []struct {
				Tests    int `xml:"tests,attr"`
				Failures int `xml:"failures,attr"`
				Cases    []struct {
					Name    string    `xml:"name,attr"`
					Failure *struct{} `xml:"failure"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		if err := xml.Unmarshal(b.Bytes(), &all); err != nil {
			t.Fatal(err)
		}
		tests, failures := 0, 0
		for _, s := range all.Suites {
			if s.Tests != len(s.Cases) || s.Tests == 0 {
				t.Errorf("a suite says %d cases and has %d", s.Tests, len(s.Cases))
			}
			for _, c := range s.Cases {
				tests++
				if c.Failure != nil {
					failures++
				}
			}
		}
		if all.Tests != tests || all.Failures != failures || len(all.Suites) != 4 || r.Failed() != (failures > 0) {
			t.Errorf("%d tests, %d failures in %d suites, counted %d and %d", all.Tests, all.Failures, len(all.Suites), tests, failures)
		}
	}
}
