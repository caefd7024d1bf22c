package gotemplate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/BurntSushi/toml"
	"sigs.k8s.io/yaml"
	yamlv3 "sigs.k8s.io/yaml/goyaml.v3"
)

// helmFunctions are those that Helm adds to Sprig's. TestFunctionsAreHelms compares each with the original.
func helmFunctions() template.FuncMap {
	return template.FuncMap{
		"toYaml": silent(toYAML), "mustToYaml": toYAML, "toYamlPretty": silent(toYAMLPretty),
		"toJson": silent(toJSON), "mustToJson": toJSON, "toToml": toTOML, "mustToToml": printTOML,
		"fromYaml": mapOf(func(data []byte, v any) error { return yaml.Unmarshal(data, v) }), "fromYamlArray": listOf(func(data []byte, v any) error { return yaml.Unmarshal(data, v) }),
		"fromJson": mapOf(json.Unmarshal), "fromJsonArray": listOf(json.Unmarshal), "fromToml": mapOf(toml.Unmarshal),

		"mustToDuration":       duration,
		"durationSeconds":      func(v any) float64 { return lenient(v).Seconds() },
		"durationMilliseconds": func(v any) int64 { return lenient(v).Milliseconds() },
		"durationMicroseconds": func(v any) int64 { return lenient(v).Microseconds() },
		"durationNanoseconds":  func(v any) int64 { return lenient(v).Nanoseconds() },
		"durationMinutes":      func(v any) float64 { return lenient(v).Minutes() },
		"durationHours":        func(v any) float64 { return lenient(v).Hours() },
		"durationDays":         func(v any) float64 { return lenient(v).Hours() / 24 },
		"durationWeeks":        func(v any) float64 { return lenient(v).Hours() / 24 / 7 },
		"durationRoundTo":      func(v, to any) time.Duration { return lenient(v).Round(lenient(to)) },
		"durationTruncateTo":   func(v, to any) time.Duration { return lenient(v).Truncate(lenient(to)) },
	}
}

// silent makes nothing of what cannot be printed.
func silent(show func(any) (string, error)) func(any) string {
	return func(v any) string {
		text, err := show(v)
		if err != nil {
			return ""
		}
		return text
	}
}

func toYAML(v any) (string, error) {
	data, err := yaml.Marshal(v)
	return strings.TrimSuffix(string(data), "\n"), err
}

func toYAMLPretty(v any) (text string, err error) {
	var b bytes.Buffer
	enc := yamlv3.NewEncoder(&b)
	enc.SetIndent(2)
	err = enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func toJSON(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data), err
}

func printTOML(v any) (string, error) {
	var b bytes.Buffer
	err := toml.NewEncoder(&b).Encode(v)
	return b.String(), err
}

func toTOML(v any) string {
	text, err := printTOML(v)
	if err != nil {
		return err.Error()
	}
	return text
}

// mapOf and listOf put what is wrong with a text into the value, where templates may look for it.
func mapOf(read func([]byte, any) error) func(string) map[string]any {
	return func(text string) map[string]any {
		m := map[string]any{}
		if err := read([]byte(text), &m); err != nil {
			if m == nil {
				m = map[string]any{}
			}
			m["Error"] = err.Error()
		}
		return m
	}
}

func listOf(read func([]byte, any) error) func(string) []any {
	return func(text string) []any {
		list := []any{}
		if err := read([]byte(text), &list); err != nil {
			return []any{err.Error()}
		}
		return list
	}
}

func lenient(v any) time.Duration {
	d, err := duration(v)
	if err != nil {
		return 0
	}
	return d
}

// duration is a time.Duration, what Go writes for one, or a number of seconds.
func duration(v any) (time.Duration, error) {
	switch v := v.(type) {
	case time.Duration:
		return v, nil
	case nil:
		return 0, errors.New("invalid duration")
	case string:
		s := strings.TrimSpace(v)
		if s == "" {
			return 0, errors.New("empty duration")
		}
		if d, err := time.ParseDuration(s); err == nil {
			return d, nil
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return 0, fmt.Errorf("could not parse duration %q", v)
		}
		return seconds(f)
	}
	switch n := reflect.ValueOf(v); {
	case n.CanInt():
		return whole(n.Int())
	case n.CanUint():
		if n.Uint() > math.MaxInt64 {
			return 0, errors.New("duration seconds overflow")
		}
		return whole(int64(n.Uint())) //nolint:gosec // it was compared
	case n.CanFloat():
		return seconds(n.Float())
	}
	return 0, fmt.Errorf("unsupported duration type %T", v)
}

func whole(s int64) (time.Duration, error) {
	if most := int64(math.MaxInt64 / time.Second); s > most || s < -most {
		return 0, errors.New("duration seconds overflow")
	}
	return time.Duration(s) * time.Second, nil
}

func seconds(f float64) (time.Duration, error) {
	n := f * float64(time.Second)
	if math.IsNaN(n) || math.Abs(n) > math.MaxInt64 {
		return 0, errors.New("duration seconds overflow")
	}
	return time.Duration(n), nil
}
