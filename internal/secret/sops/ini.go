package sops

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// iniDefault is the section of what comes before the first one.
const iniDefault = "DEFAULT"

// readINI reads a file as SOPS writes it: sections of keys, one value in a line. A comment is behind the key that it stands above, and first in the section that it
// stands above: in that order SOPS has them. What SOPS would write otherwise is refused.
func readINI(file string, data []byte) (branch, error) {
	var (
		b       branch
		section branch
		name    = iniDefault
		begun   = 1
		above   []string
		rows    = strings.Split(string(data), "\n")
	)
	end := func() {
		if len(section) > 0 || name != iniDefault {
			b = append(b, entry{key: name, line: begun, value: section})
		}
		section = nil
	}
	for i := 0; i < len(rows); i++ {
		line, text := i+1, strings.TrimSpace(rows[i])
		switch {
		case text == "":
			continue
		case text[0] == ';' || text[0] == '#':
			above = append(above, text)
			continue
		case text[0] == '[':
			end()
			if !strings.HasSuffix(text, "]") || len(text) < 3 {
				return nil, at(file, line, "the line is no section of an INI file")
			}
			name, begun = text[1:len(text)-1], line
			if len(above) > 0 {
				section = append(section, iniComment(above))
			}
		default:
			e, more, err := iniEntry(file, line, strings.TrimLeft(rows[i], " \t"), rows[i+1:])
			if err != nil {
				return nil, err
			}
			i += more
			section = append(section, e)
			if len(above) > 0 {
				section = append(section, iniComment(above))
			}
		}
		above = nil
	}
	end()
	for _, e := range b {
		if s, _ := e.value.(branch); s.unique(file) != nil {
			return nil, s.unique(file)
		}
	}
	return b, b.unique(file)
}

// iniComment is what SOPS has for lines of a comment: without the mark of the first one.
func iniComment(lines []string) entry {
	text := strings.Join(lines, "\n")
	return entry{comment: &comment{text: strings.TrimLeft(text, text[:1]+" ")}}
}

// iniEntry reads a key with its value, which can go on in the lines below, and says in how many.
func iniEntry(file string, line int, text string, below []string) (entry, int, error) {
	i := strings.IndexAny(text, "=:")
	if i < 1 || strings.ContainsAny(text[:i], "`\"") {
		return entry{}, 0, at(file, line, "the line is no key with a value, or its key is quoted, which is not read: encrypt the file with `sops encrypt --input-type binary`")
	}
	key := strings.TrimSpace(text[:i])
	value, more, err := iniUnquoted(strings.TrimLeft(text[i+1:], " \t"), below)
	if err != nil {
		return entry{}, 0, at(file, line, "the value of %s %w", key, err)
	}
	return entry{key: key, line: line, value: &leaf{value: value, line: line}}, more, nil
}

var (
	errQuote    = errors.New("is quoted, and its quote does not end")
	errUnquoted = errors.New("has a comment or a backslash behind it, or in it: quote it with backticks, or with three quotes if it has some")
)

// iniUnquoted reads a value as SOPS does. A quote that spans lines has its end in one of those below.
func iniUnquoted(text string, below []string) (value string, more int, err error) {
	for _, quote := range []string{`"""`, "`"} {
		rest, ok := strings.CutPrefix(text, quote)
		if !ok {
			continue
		}
		for n := 0; ; n++ {
			if end := strings.LastIndex(rest, quote); end >= 0 {
				if strings.TrimSpace(rest[end+len(quote):]) != "" {
					return "", 0, errUnquoted
				}
				return value + rest[:end], n, nil
			}
			if n == len(below) {
				return "", 0, errQuote
			}
			value += rest + "\n"
			rest = below[n]
		}
	}
	text = strings.TrimSpace(text)
	if strings.HasSuffix(text, `\`) || strings.ContainsAny(text, "#;") {
		return "", 0, errUnquoted
	}
	for _, quote := range []string{`"`, "'"} {
		if inner := strings.TrimPrefix(text, quote); strings.HasPrefix(text, quote) && strings.Index(inner, quote) == len(inner)-1 && inner != "" {
			return inner[:len(inner)-1], 0, nil
		}
	}
	return text, 0, nil
}

// writeINI writes a file as SOPS does.
func writeINI(b branch) ([]byte, error) {
	var out bytes.Buffer
	for i, e := range b {
		s, ok := e.value.(branch)
		if e.comment != nil || !ok {
			return nil, fmt.Errorf("%s: an INI file holds sections", e.key)
		}
		if len(s) > 0 && s[0].comment != nil {
			writeINIComment(&out, s[0].comment.text)
			s = s[1:]
		}
		if i > 0 || e.key != iniDefault {
			out.WriteString("[" + e.key + "]\n")
		}
		if err := writeINISection(&out, s); err != nil {
			return nil, err
		}
		if i < len(b)-1 {
			out.WriteString("\n")
		}
	}
	return out.Bytes(), nil
}

func writeINISection(out *bytes.Buffer, s branch) error {
	widest := 0
	for _, e := range s {
		if e.comment == nil {
			widest = max(widest, len(e.key))
		}
	}
	for i, e := range s {
		if e.comment != nil {
			continue
		}
		v, ok := e.value.(*leaf)
		if !ok {
			return fmt.Errorf("%s: an INI file holds no maps and lists in a section", e.key)
		}
		if i+1 < len(s) && s[i+1].comment != nil {
			writeINIComment(out, s[i+1].comment.text)
		}
		out.WriteString(e.key + strings.Repeat(" ", widest-len(e.key)) + " = " + iniValue(v.value) + "\n")
	}
	return nil
}

func writeINIComment(out *bytes.Buffer, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "":
		case line[0] == ';' || line[0] == '#':
			out.WriteString(line[:1] + " " + strings.TrimSpace(line[1:]) + "\n")
		default:
			out.WriteString("; " + strings.TrimSpace(line) + "\n")
		}
	}
}

// iniValue quotes a value where it has to be.
func iniValue(v any) string {
	text := textOf(v)
	switch v := v.(type) {
	case bool:
		text = strconv.FormatBool(v)
	case time.Time:
		text = v.Format(time.RFC3339)
	}
	switch {
	case strings.ContainsAny(text, "\n`"):
		return `"""` + text + `"""`
	case strings.ContainsAny(text, "#;"):
		return "`" + text + "`"
	case strings.TrimSpace(text) != text:
		return `"` + text + `"`
	}
	return text
}

// unflattenINI takes the metadata out of its section.
func unflattenINI(file string, b branch) (branch, error) {
	for i, e := range b {
		s, ok := e.value.(branch)
		if e.key != metadataKey || !ok {
			continue
		}
		root := &flat{}
		for _, m := range s {
			if m.comment != nil {
				continue
			}
			if strings.Count(m.key, "__") > 16 || !utf8.ValidString(m.key) {
				return nil, at(file, m.line, "%q is no metadata of SOPS", m.key)
			}
			l, _ := m.value.(*leaf)
			root.put(m.key, &leaf{value: strings.ReplaceAll(textOf(l.value), `\n`, "\n"), line: m.line})
		}
		b[i].value, _ = root.value().(branch)
		return b, nil
	}
	return nil, plain(file)
}

// flattenINI is the reverse of unflattenINI.
func flattenINI(meta branch) branch {
	out := flatten(nil, "", meta)
	for i, e := range out {
		if l, ok := e.value.(*leaf); ok {
			if text, ok := l.value.(string); ok {
				out[i].value = &leaf{value: strings.ReplaceAll(text, "\n", `\n`)}
			}
		}
	}
	return out
}
