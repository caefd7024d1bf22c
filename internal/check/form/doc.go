// Package form writes findings for people and for programs: as text, JSON, SARIF 2.1.0, annotations of GitHub Actions, and JUnit's XML.
//
//	err := form.Write(out, form.JSON, form.Result{Findings: findings, Apps: 12, Kubernetes: "1.36", FailOn: check.Error})
//
// It decides nothing: the order and the severities are those of the findings.
package form
