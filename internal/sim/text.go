package sim

import (
	"encoding/json"
	"slices"
	"strconv"
)

// textOf appends what json.Marshal makes of content, in a third of the time.
func textOf(b []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			break
		}
		b = append(b, '{')
		names := make([]string, 0, len(v))
		for k := range v {
			names = append(names, k)
		}
		slices.Sort(names)
		for i, k := range names {
			if i > 0 {
				b = append(b, ',')
			}
			b = textOf(append(quoted(b, k), ':'), v[k])
		}
		return append(b, '}')
	case []any:
		if v == nil {
			break
		}
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = textOf(b, x)
		}
		return append(b, ']')
	case string:
		return quoted(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	}
	return marshal(b, v)
}

func quoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return marshal(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func marshal(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	return append(b, text...)
}
