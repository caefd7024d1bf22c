package sops

import (
	"bytes"
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
		line    int
	)
	end := func() {
		if len(section) > 0 || name != iniDefault {
			b = append(b, entry{key: name, line: begun, value: section})
		}
		section = nil
	}
	for raw := range bytes.SplitSeq(data, []byte("\n")) {
		line++
		text := strings.TrimSpace(string(raw))
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
			e, err := iniEntry(file, line, text)
			if err != nil {
				return nil, err
			}
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

func iniEntry(file string, line int, text string) (entry, error) {
	i := strings.IndexAny(text, "=:")
	if i < 1 || strings.ContainsAny(text[:i], "`\"") {
		return entry{}, at(file, line, "the line is no key with a value, or its key is quoted, which is not read: encrypt the file with `sops encrypt --input-type binary`")
	}
	value := strings.TrimSpace(text[i+1:])
	if value != "" && strings.ContainsAny(value[:1], "`\"'") || strings.HasSuffix(value, `\`) || strings.ContainsAny(value, "#;") {
		return entry{}, at(file, line, "the value of %s is quoted, which is not read where it is not encrypted: encrypt the file with `sops encrypt --input-type binary`", strings.TrimSpace(text[:i]))
	}
	return entry{key: strings.TrimSpace(text[:i]), line: line, value: &leaf{value: value, line: line}}, nil
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
	for _, e := range out {
		if l, ok := e.value.(*leaf); ok {
			if text, ok := l.value.(string); ok {
				l.value = strings.ReplaceAll(text, "\n", `\n`)
			}
		}
	}
	return out
}
