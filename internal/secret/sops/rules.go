package sops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// RulesFile is the name of the file that says how the files beside and below it are encrypted.
const RulesFile = ".sops.yaml"

// Rules are the creation rules of such a file.
type Rules struct {
	file  string
	rules []creationRule
}

type creationRule struct {
	PathRegex string         `yaml:"path_regex"`
	Age       any            `yaml:"age"`
	PGP       any            `yaml:"pgp"`
	KeyGroups []keyGroup     `yaml:"key_groups"`
	Rest      map[string]any `yaml:",inline"`
}

type keyGroup struct {
	Age  []string       `yaml:"age"`
	PGP  []string       `yaml:"pgp"`
	Rest map[string]any `yaml:",inline"`
}

// ParseRules reads a file of rules. What it says of stores and destinations is not looked at.
func ParseRules(file string, data []byte) (Rules, error) {
	var read struct {
		Rules []creationRule `yaml:"creation_rules"`
	}
	if len(data) > maxBytes>>4 {
		return Rules{}, at(file, 0, "the file is larger than a MiB")
	}
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&read); err != nil && !errors.Is(err, io.EOF) {
		return Rules{}, at(file, lineOf(err), "it cannot be read: %s", reasonOf(err))
	}
	return Rules{file, read.Rules}, nil
}

// For returns how the file at a path, relative to that of the rules, is encrypted: by the first rule that matches. It is false if none does.
func (r Rules) For(path string) (Creation, bool, error) {
	for i, rule := range r.rules {
		if rule.PathRegex != "" {
			re, err := regexp.Compile(rule.PathRegex)
			if err != nil {
				return Creation{}, false, at(r.file, 0, "path_regex of rule %d: %w", i+1, err)
			}
			if !re.MatchString(path) {
				continue
			}
		}
		c, err := rule.creation()
		if err != nil {
			return Creation{}, false, at(r.file, 0, "rule %d: %w", i+1, err)
		}
		return c, true, nil
	}
	return Creation{}, false, nil
}

// others are the fields of a rule, and of a group of keys, that name recipients which are neither age nor OpenPGP keys.
var others = []string{"kms", "gcp_kms", "azure_keyvault", "hc_vault_transit_uri", "hc_vault", "hckms", "merge"}

// ErrOthers is that a rule names whom nobody but sops encrypts for, and ErrNobody that it names nobody.
var (
	ErrOthers = errors.New("only sops encrypts for them: use `sops encrypt`, or name age and OpenPGP recipients alone")
	ErrNobody = errors.New("it names no age or OpenPGP recipients")
)

func (r creationRule) creation() (Creation, error) {
	c := Creation{Rule: map[string]string{}}
	pgp, err := texts("pgp", r.PGP)
	if err != nil {
		return c, err
	}
	if c.Age, err = texts("age", r.Age); err != nil {
		return c, err
	}
	for field, value := range r.Rest {
		switch {
		case slices.Contains(others, field):
			return c, fmt.Errorf("%s: %w", field, ErrOthers)
		case slices.Contains(ruleFields, field):
			c.Rule[field] = fmt.Sprint(value)
		case field == "mac_only_encrypted" && value == true:
			c.Rule[field] = "true"
		}
	}
	if len(r.KeyGroups) > 1 {
		return c, fmt.Errorf("several key_groups: %w", ErrOthers)
	}
	for _, g := range r.KeyGroups {
		for field := range g.Rest {
			if slices.Contains(others, field) {
				return c, fmt.Errorf("%s: %w", field, ErrOthers)
			}
		}
		c.Age = append(c.Age, g.Age...)
		pgp = append(pgp, g.PGP...)
	}
	if c.PGP, err = fingerprints(pgp); err != nil {
		return c, err
	}
	if len(c.Recipients()) == 0 {
		return c, ErrNobody
	}
	for _, to := range c.Age {
		if err := CheckRecipient(to); err != nil {
			return c, err
		}
	}
	return c, nil
}

// texts are recipients of a rule: a list, or a text with commas.
func texts(field string, value any) ([]string, error) {
	var out []string
	switch value := value.(type) {
	case nil:
	case string:
		for to := range strings.SplitSeq(value, ",") {
			if to = strings.TrimSpace(to); to != "" {
				out = append(out, to)
			}
		}
	case []any:
		for _, to := range value {
			text, ok := to.(string)
			if !ok {
				return nil, fmt.Errorf("%s is a list of recipients", field)
			}
			out = append(out, text)
		}
	default:
		return nil, fmt.Errorf("%s is a recipient, or a list of them", field)
	}
	return out, nil
}
