package form

import (
	"encoding/xml"
	"io"
	"slices"

	"github.com/fairlead-cd/fairlead/internal/check"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	File      string        `xml:"file,attr,omitempty"`
	Line      int           `xml:"line,attr,omitempty"`
	Failure   *junitFailure `xml:"failure,omitempty"`
	Out       string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes a suite for each app: a case for each finding, which fails if it weighs enough, and one that passes if there is none.
func writeJUnit(w io.Writer, r Result) error {
	byApp := map[string][]check.Finding{}
	apps := r.Apps
	for _, f := range r.Findings {
		if len(byApp[f.App]) == 0 && !slices.Contains(apps, f.App) {
			apps = append(apps[:len(apps):len(apps)], f.App)
		}
		byApp[f.App] = append(byApp[f.App], f)
	}
	all := junitSuites{Name: "fairlead check"}
	for _, a := range apps {
		s := suite(a, byApp[a], r.FailOn)
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func suite(app string, findings []check.Finding, failOn check.Severity) junitSuite {
	s := junitSuite{Name: app}
	for _, f := range findings {
		c := junitCase{Name: f.Rule + " " + f.Place.String(), ClassName: app, File: f.Place.File, Line: f.Place.Line}
		text := sentence(f)
		if f.Remedy != "" {
			text += "\n" + f.Remedy
		}
		if f.Severity >= failOn {
			c.Failure = &junitFailure{Message: oneLine(sentence(f)), Type: f.Severity.String(), Text: text}
			s.Failures++
		} else {
			c.Out = text
		}
		s.Cases = append(s.Cases, c)
	}
	if len(findings) == 0 {
		s.Cases = []junitCase{{Name: "check", ClassName: app}}
	}
	s.Tests = len(s.Cases)
	return s
}
