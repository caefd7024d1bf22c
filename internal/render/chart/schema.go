package chart

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	helm "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/fairlead-cd/fairlead/internal/fault"
)

// validate holds the values of a chart, and of those below it, to their schemas.
func (c *Chart) validate(h *helm.Chart, values map[string]any, path string) error {
	if h.Schema != nil {
		file := c.placeOf(h).files["values.schema.json"]
		if err := check(h.Schema, values); err != nil {
			var wrong *jsonschema.ValidationError
			if errors.As(err, &wrong) {
				said := complaints(wrong, path, nil)
				slices.Sort(said) // a schema is walked in no order
				return fault.Newf(fault.Invalid, "%s: the values do not meet the schema: %s", file, strings.Join(said[:min(len(said), maxComplaints)], "; "))
			}
			return fault.Newf(fault.Invalid, "%s: the schema cannot be used: %s", file, plain(err))
		}
	}
	for _, sub := range h.Dependencies() {
		inner, given := values[sub.Name()]
		if !given || inner == nil {
			continue
		}
		m, ok := inner.(map[string]any)
		if !ok {
			return fault.Newf(fault.Invalid, "%s: the values of the chart at %s.%s have to be a map", c.placeOf(sub).at, path, sub.Name())
		}
		if err := c.validate(sub, m, path+"."+sub.Name()); err != nil {
			return err
		}
	}
	return nil
}

func check(schema []byte, values map[string]any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	const name = "file:///values.schema.json"
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nowhere{})
	steps := &counter{}
	compiler.RegisterVocabulary(&jsonschema.Vocabulary{
		URL:     "urn:fairlead:steps",
		Compile: func(*jsonschema.CompilerContext, map[string]any) (jsonschema.SchemaExt, error) { return steps, nil },
	})
	compiler.AssertVocabs()
	if err := compiler.AddResource(name, doc); err != nil {
		return err
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		return err
	}
	return compiled.Validate(map[string]any(values))
}

// nowhere loads nothing: a schema that refers to another file would be read from a disk or a network.
type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %.200s, and nothing is fetched: put it into the schema, below $defs", strings.TrimPrefix(url, "file:///"))
}

// counter bounds how often schemas are applied: a few lines that refer to one another can ask for any number of times.
type counter struct{ n int }

const maxApplied = 1_000_000

// Validate implements jsonschema.SchemaExt.
func (c *counter) Validate(*jsonschema.ValidatorContext, any) {
	if c.n++; c.n > maxApplied {
		panic("it takes more than a million steps to hold the values to it")
	}
}

// maxComplaints bounds what is said of one set of values.
const maxComplaints = 5

// complaints are what is wrong, value by value.
func complaints(e *jsonschema.ValidationError, path string, out []string) []string {
	if len(e.Causes) == 0 {
		where := path
		for _, step := range e.InstanceLocation {
			where += "." + step
		}
		if where == "" {
			where = "."
		}
		_, what, _ := strings.Cut(plain(e), "': ")
		return append(out, strings.TrimPrefix(where+": ", ".")+what)
	}
	for _, cause := range e.Causes {
		out = complaints(cause, path, out)
	}
	return out
}
