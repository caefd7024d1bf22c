package object

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// YAML returns the whole content, Secrets included, as one YAML document: apiVersion, kind and metadata first, all other
// keys sorted, so that equal content gives equal bytes. Parse reads back the same content.
func (o Object) YAML() []byte {
	var p printer
	p.entries(o.content, 0, topKeys(o.content))
	return p.Bytes()
}

// Stream prints objects as one YAML stream in the order given, documents separated by "---".
func Stream(objs []Object) []byte {
	var b bytes.Buffer
	for i, o := range objs {
		if i > 0 {
			b.WriteString("---\n")
		}
		b.Write(o.YAML())
	}
	return b.Bytes()
}

func topKeys(m map[string]any) []string {
	keys := sortedKeys(m)
	rank := func(k string) int {
		if i := slices.Index([]string{"apiVersion", "kind", "metadata"}, k); i >= 0 {
			return i
		}
		return 3
	}
	slices.SortStableFunc(keys, func(a, b string) int { return rank(a) - rank(b) })
	return keys
}

// printer writes block style with two spaces, lists not indented in their map, as kubectl and Kustomize do.
type printer struct{ bytes.Buffer }

func (p *printer) indent(n int) {
	for range n {
		p.WriteByte(' ')
	}
}

// entries writes the keys of a map, the first at the current position of the line.
func (p *printer) entries(m map[string]any, col int, keys []string) {
	if len(keys) == 0 {
		p.WriteString("{}\n")
		return
	}
	for i, k := range keys {
		if i > 0 {
			p.indent(col)
		}
		p.key(k, col)
		p.child(m[k], col)
	}
}

// longestKey is how long a key may be that stands on one line with its value: YAML looks no further than 1024 characters for the colon.
const longestKey = 1000

func (p *printer) key(k string, col int) {
	start := p.Len()
	p.text(k, true)
	if text := p.Bytes()[start:]; len(text) > longestKey {
		p.Truncate(start)
		p.WriteString("? " + string(text) + "\n")
		p.indent(col)
	}
	p.WriteByte(':')
}

// child writes the value of a key that stands at col.
func (p *printer) child(v any, col int) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			p.WriteByte('\n')
			p.indent(col + 2)
			p.entries(v, col+2, sortedKeys(v))
			return
		}
	case []any:
		if len(v) > 0 {
			p.WriteByte('\n')
			p.indent(col)
			p.list(v, col)
			return
		}
	case string:
		if block, ok := literal(v, col+2); ok {
			p.WriteString(block)
			return
		}
	}
	p.WriteByte(' ')
	p.scalar(v)
}

// list writes the items of a non-empty list, the first at the current position of the line, which is col.
func (p *printer) list(items []any, col int) {
	for i, item := range items {
		if i > 0 {
			p.indent(col)
		}
		p.WriteString("- ")
		switch v := item.(type) {
		case map[string]any:
			p.entries(v, col+2, sortedKeys(v))
		case []any:
			if len(v) > 0 {
				p.list(v, col+2)
			} else {
				p.scalar(v)
			}
		default:
			p.scalar(v)
		}
	}
}

func (p *printer) scalar(v any) {
	switch v := v.(type) {
	case string:
		p.text(v, false)
	case map[string]any:
		p.WriteString("{}")
	case []any:
		p.WriteString("[]")
	case int64:
		p.WriteString(strconv.FormatInt(v, 10))
	default:
		b, _ := json.Marshal(v) // Invariant: content is JSON by construction.
		p.Write(b)
	}
	p.WriteByte('\n')
}

// text writes a string plainly where nothing could read it as anything else, quoted otherwise.
func (p *printer) text(s string, key bool) {
	if plain(s, key) {
		p.WriteString(s)
		return
	}
	p.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			p.WriteByte('\\')
			p.WriteRune(r)
		case r == '\n':
			p.WriteString(`\n`)
		case r == '\t':
			p.WriteString(`\t`)
		case printable(r):
			p.WriteRune(r)
		case r < 0x10000:
			p.WriteString(`\u` + hex(r, 4))
		default:
			p.WriteString(`\U` + hex(r, 8))
		}
	}
	p.WriteByte('"')
}

func hex(r rune, width int) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", width-len(s)) + s
}

// printable is narrower than YAML's own set: what a terminal or an editor might hide is escaped.
func printable(r rune) bool {
	return r != unicode.ReplacementChar && r != '\ufeff' && (unicode.IsGraphic(r) && r != '\u0085' && r != '\u2028' && r != '\u2029')
}

// plain reports whether s can stand without quotes, in YAML 1.1 and 1.2. When in doubt, it cannot.
func plain(s string, key bool) bool {
	if s == "" || len(s) > 512 || !wordStart(s[0]) || s[len(s)-1] == ':' || s[len(s)-1] == ' ' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case wordStart(c), strings.IndexByte("-_=+,()$%@*&!<>[]{}", c) >= 0 && i > 0:
		case c == ' ' && s[i+1] != '#' && !key:
		case c == ':' && s[i+1] != ' ':
		default:
			return false
		}
	}
	if _, isBool := oldBool(s); isBool && !key {
		return false
	}
	if c := s[0]; c >= '0' && c <= '9' || c == '.' {
		// Numbers, versions, times, base 60: one look tells a reader that a quoted one is a text.
		return strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/") && !resolves(s)
	}
	return !resolves(s)
}

func wordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '/' || c == '.'
}

// resolves reports whether a plain s would be read as anything but text.
func resolves(s string) bool {
	n := yaml.Node{Kind: yaml.ScalarNode, Value: s}
	return n.ShortTag() != "!!str"
}

// literal writes a text of several lines as a block, so that a script or a configuration reads as what it is.
func literal(s string, col int) (string, bool) {
	if !strings.Contains(s, "\n") || strings.HasPrefix(s, "\n") || strings.HasPrefix(s, " ") || strings.HasPrefix(s, "\t") {
		return "", false
	}
	body := strings.TrimRight(s, "\n")
	header := " |\n"
	switch len(s) - len(body) {
	case 0:
		header = " |-\n"
	case 1:
	default:
		return "", false
	}
	var b strings.Builder
	b.WriteString(header)
	for line := range strings.SplitSeq(body, "\n") {
		for _, r := range line {
			if !printable(r) && r != '\t' {
				return "", false
			}
		}
		if strings.HasSuffix(line, " ") || strings.HasSuffix(line, "\t") {
			return "", false // an editor that strips trailing spaces would change the text
		}
		if line != "" {
			b.WriteString(strings.Repeat(" ", col))
			b.WriteString(line)
		}
		b.WriteByte('\n')
	}
	return b.String(), true
}
