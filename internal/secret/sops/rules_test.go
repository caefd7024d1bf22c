package sops

import (
	"reflect"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	const one, two = "age1lz4xluch9nqfhh530ju55fjd7lgfh994yxa0lhttv9uc98tjlplq5adr8e", "age16yf4qmyqqw2drx5n48wd7hhx0vs9zwqhtf0h6hec5gpyjxjepc3q5qkszn"
	rules, err := ParseRules(".sops.yaml", []byte(`
stores: {yaml: {indent: 2}}
creation_rules:
- path_regex: \.env$
  age: `+one+`, `+two+`
- path_regex: ^production/
  encrypted_regex: ^(data|stringData)$
  mac_only_encrypted: true
  age: [`+one+`]
- path_regex: ^groups/
  unencrypted_suffix: _open
  key_groups:
  - age: [`+two+`]
- path_regex: ^cloud/
  kms: arn:aws:kms:eu-west-1:1:key/x
  age: `+one+`
- path_regex: ^shared/
  key_groups: [{age: [`+one+`]}, {age: [`+two+`]}]
- path_regex: ^nobody/
- path_regex: ^wrong/
  age: AGE-SECRET-KEY-1CANARY
- path_regex: '['
  age: `+one+`
`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Creation{
		"a/b.env":         {Age: []string{one, two}, Rule: map[string]string{}},
		"production/a.md": {Age: []string{one}, Rule: map[string]string{"encrypted_regex": "^(data|stringData)$", "mac_only_encrypted": "true"}},
		"groups/a":        {Age: []string{two}, Rule: map[string]string{"unencrypted_suffix": "_open"}},
	} {
		if got, ok, err := rules.For(path); err != nil || !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %t, %v", path, got, ok, err)
		}
	}
	for path, want := range map[string]string{
		"cloud/a": "rule 4: kms: only sops encrypts for them", "shared/a": "rule 5: several key_groups", "nobody/a": "names no age recipients",
		"wrong/a": "that is a private age key", "else": "path_regex of rule 8",
	} {
		if _, ok, err := rules.For(path); err == nil || ok || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %t, %v", path, ok, err)
		}
	}
	if none, err := ParseRules(".sops.yaml", nil); err != nil {
		t.Error(err)
	} else if _, ok, err := none.For("x"); ok || err != nil {
		t.Errorf("without rules: %t, %v", ok, err)
	}
	if _, err := ParseRules(".sops.yaml", []byte("creation_rules: [")); err == nil || !strings.HasPrefix(err.Error(), ".sops.yaml:1: it cannot be read") {
		t.Errorf("no YAML: %v", err)
	}
}
