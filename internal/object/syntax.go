package object

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// explain turns an error of the YAML parser into one with the right line and, where we know it, what to do.
func explain(file string, data []byte, err error) error {
	cause := causeOf(err)
	lines := bytes.SplitAfter(data, []byte("\n"))
	at := blame(lines, cause)
	return invalid(file, at, "%s", remedy(cause, string(lines[max(0, at-1)])))
}

var parserPrefix = regexp.MustCompile(`^yaml: (line \d+: )?`)

func causeOf(err error) string {
	if err == nil {
		return ""
	}
	return parserPrefix.ReplaceAllString(err.Error(), "")
}

// blame finds the line that makes the parser fail. The parser names the line on which the enclosing block began, or one off;
// the line to blame is the first whose presence causes the error, and a parser does not look back, so a binary search finds it.
func blame(lines [][]byte, cause string) int {
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		dec := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:i+1], nil)))
		for {
			var doc yaml.Node
			if err := dec.Decode(&doc); err != nil {
				return !errors.Is(err, io.EOF) && causeOf(err) == cause
			}
		}
	})
}

const templated = "{{ … }} is a template, and templates are expanded in Helm charts only"

var tabbed = regexp.MustCompile(`^[ -]*\t`)

func remedy(cause, line string) string {
	switch {
	case strings.HasPrefix(line, "<<<<<<<"), strings.HasPrefix(line, "======="), strings.HasPrefix(line, ">>>>>>>"):
		return "a merge conflict is not resolved: choose a side and remove the <<<<<<<, ======= and >>>>>>> lines"
	case tabbed.MatchString(line):
		return "a tab in the indentation: YAML wants spaces"
	case strings.Contains(line, "{{"):
		return templated
	}
	switch cause {
	case "mapping values are not allowed in this context":
		return `a ": " where none is expected: quote the value, or check the indentation`
	case "did not find expected key", "did not find expected '-' indicator":
		return "this line does not fit the block that it is in: check its indentation and quotes"
	case "could not find expected ':'":
		return "a key without a colon, or a text of several lines that is not indented"
	case "found unexpected end of stream":
		return "a quoted text begins here and never ends"
	case "found character that cannot start any token":
		return "a text may not begin with this character: quote it"
	}
	return cause
}
