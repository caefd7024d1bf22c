package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// output is the value of -o; empty is text for people.
type output string

// flag adds -o with the forms that the command knows.
func (o *output) flag(cmd *cobra.Command, forms ...string) {
	cmd.Flags().VarP(&outputValue{o, forms}, "output", "o", "form of the output: "+strings.Join(forms, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
}

type outputValue struct {
	o     *output
	forms []string
}

func (v *outputValue) String() string {
	if v.o == nil {
		return ""
	}
	return string(*v.o)
}

func (v *outputValue) Set(s string) error {
	if !slices.Contains(v.forms, s) {
		return fmt.Errorf("want one of %s", strings.Join(v.forms, ", "))
	}
	*v.o = output(s)
	return nil
}

func (v *outputValue) Type() string { return "FORM" }

// print prints a value as JSON or YAML, with the field names of its JSON.
func (o output) print(w io.Writer, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil && o == "yaml" {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return fmt.Errorf("print %s: %w", o, err)
	}
	_, err = fmt.Fprintln(w, strings.TrimSuffix(string(data), "\n"))
	return err
}
