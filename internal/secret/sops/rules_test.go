package sops

import (
	"reflect"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	const one, two = "age1lz4xluch9nqfhh530ju55fjd7lgfh994yxa0lhttv9uc98tjlplq5adr8e", "age16yf4qmyqqw2drx5n48wd7hhx0vs9zwqhtf0h6hec5gpyjxjepc3q5qkszn"
	const three = "2F9B09E273A39A2BD0AB99E332E5C8AC0F387AF2"
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
- path_regex: ^pgp/
  pgp: 1f9b 09e2 73a3 9a2b d0ab 99e3 32e5 c8ac 0f38 7af2, `+three+`
- path_regex: ^both/
  key_groups: [{age: [`+two+`], pgp: [`+three+`]}]
- path_regex: ^short/
  pgp: 0F387AF2
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
		"pgp/a":           {PGP: []string{"1" + three[1:], three}, Rule: map[string]string{}},
		"both/a":          {Age: []string{two}, PGP: []string{three}, Rule: map[string]string{}},
		"groups/a":        {Age: []string{two}, Rule: map[string]string{"unencrypted_suffix": "_open"}},
	} {
		if got, ok, err := rules.For(path); err != nil || !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %t, %v", path, got, ok, err)
		}
	}
	for path, want := range map[string]string{
		"cloud/a": "rule 4: kms: only sops encrypts for them", "shared/a": "rule 5: several key_groups", "nobody/a": "names no age or OpenPGP recipients",
		"wrong/a": "that is a private age key", "else": "path_regex of rule 11", "short/a": `rule 8: pgp: "0F387AF2" is no fingerprint of an OpenPGP key`,
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
