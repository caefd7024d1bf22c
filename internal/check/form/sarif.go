package form

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/check"
)

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool       sarifTool     `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID      string       `json:"id"`
	Short   sarifText    `json:"shortDescription"`
	Default sarifDefault `json:"defaultConfiguration"`
}

type sarifDefault struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI  string `json:"uri"`
	Base string `json:"uriBaseId"`
}

type sarifRegion struct {
	Line   int `json:"startLine"`
	Column int `json:"startColumn,omitempty"`
}

const project = "https://github.com/fairlead-cd/fairlead"

func writeSARIF(w io.Writer, r Result) error {
	rules := check.Rules()
	driver := sarifDriver{Name: "fairlead check", Version: r.Version, InformationURI: project, Rules: []sarifRule{}}
	for _, rule := range rules {
		driver.Rules = append(driver.Rules, sarifRule{rule.Name, sarifText{rule.Doc}, sarifDefault{rule.Severity.String()}})
	}
	results := []sarifResult{}
	for _, f := range r.Findings {
		at := sarifPhysical{Artifact: sarifArtifact{(&url.URL{Path: f.Place.File}).EscapedPath(), "%SRCROOT%"}}
		if f.Place.Line > 0 {
			at.Region = &sarifRegion{f.Place.Line, f.Place.Column}
		}
		text := sentence(f)
		if f.Remedy != "" {
			text += ". Remedy: " + f.Remedy
		}
		// What stays the same when lines move.
		sum := sha256.Sum256([]byte(strings.Join([]string{f.Rule, f.Place.File, f.Object.String(), f.Path}, "\x00")))
		results = append(results, sarifResult{
			RuleID: f.Rule, RuleIndex: slices.IndexFunc(rules, func(rule check.Rule) bool { return rule.Name == f.Rule }),
			Level: f.Severity.String(), Message: sarifText{text}, Locations: []sarifLocation{{at}},
			Fingerprints: map[string]string{"fairlead/v1": hex.EncodeToString(sum[:16])},
		})
	}
	return indented(w, sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0",
		Runs: []sarifRun{{Tool: sarifTool{driver}, ColumnKind: "unicodeCodePoints", Results: results}},
	})
}
