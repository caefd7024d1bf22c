package render

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-cd/fairlead/internal/diff"
	"github.com/fairlead-cd/fairlead/internal/fault"
	"github.com/fairlead-cd/fairlead/internal/object"
)

const (
	// minConcealed is the shortest text that is kept out of errors: shorter ones are parts of words.
	minConcealed = 4
	// stretch is the shortest part of a longer text that is kept out of errors: what is cut or replaced before it is shown leaves one. Lines that long
	// are texts of their own.
	stretch = 12
	// veil stands for what is kept out of an error.
	veil = "•••"
)

// conceal takes out of an error all that was read of Secrets and of encrypted files. Every error of a render passes here, last: whoever makes one need not
// know which of the values in it are secret.
func (r *renderer) conceal(err error) error {
	if err == nil {
		return nil
	}
	c := concealed{exact: map[string]bool{}}
	r.outside.each(func(o object.Object) { c.object(o) })
	if r.secrets != nil {
		for _, f := range r.secrets.files {
			for _, t := range f.texts {
				c.entry(t.Value)
			}
		}
		for _, o := range r.secrets.fromSealed {
			c.object(o)
		}
	}
	at, text := r.placed(err.Error())
	shown := c.out(text)
	if shown == text {
		return err
	}
	return &fault.Error{Kind: fault.KindOf(err), Err: errors.New(at + shown), After: fault.After(err)}
}

// inFile is how an error begins that says where it is.
var inFile = regexp.MustCompile(`^([^\n:]+)(:\d+)*: `)

// placed takes apart where an error is and what it says. That a file has the name that it has is in Git, whatever else is called so.
func (r *renderer) placed(text string) (at, rest string) {
	m := inFile.FindStringSubmatch(text)
	if m == nil || r.files == nil {
		return "", text
	}
	if _, read := r.files.cache[m[1]]; !read && m[1] != r.dir {
		return "", text
	}
	return text[:len(m[0])], text[len(m[0]):]
}

// concealed are texts that no error may show.
type concealed struct {
	exact map[string]bool // as a whole
	parts []string        // and any stretch of them
}

// object adds what a Secret holds.
func (c *concealed) object(o object.Object) {
	if o.Kind() != "Secret" {
		return
	}
	for _, part := range []string{"data", "stringData"} {
		m, _ := o.At(part).(map[string]any)
		for _, v := range m {
			if s, ok := v.(string); ok {
				c.entry(s)
			}
		}
	}
}

// entry adds a text, what it is the base64 of, and the values in it if it is a file of them, whose fields are no secret.
func (c *concealed) entry(s string) {
	for _, s := range []string{s, decoded(s)} {
		if !c.values(s) {
			c.text(s)
			continue
		}
		c.whole(strings.TrimSpace(s))
		for line := range strings.Lines(s) {
			if line = strings.TrimSpace(line); len(line) >= stretch {
				c.whole(line)
			}
		}
	}
}

// values adds the values of a file of YAML or JSON, and reports whether it is one.
func (c *concealed) values(s string) bool {
	values, err := object.Values("", []byte(s))
	if err != nil {
		return false
	}
	is := false
	for _, v := range values {
		switch v.(type) {
		case map[string]any, []any:
			is = true
			c.value(v)
		}
	}
	return is
}

func (c *concealed) value(v any) {
	switch v := v.(type) {
	case string:
		c.text(v)
		c.text(decoded(v))
	case int64, float64, uint64:
		c.text(fmt.Sprint(v))
	case []any:
		for _, item := range v {
			c.value(item)
		}
	case map[string]any:
		for _, item := range v {
			c.value(item)
		}
	}
}

// text adds a text, as it is and without the ends of its lines, which variables do not have.
func (c *concealed) text(s string) {
	if s = strings.TrimSpace(s); len(s) < minConcealed {
		return
	}
	forms := c.whole(s)
	if one := oneValue(s); one != s {
		forms = append(forms, c.whole(one)...)
	}
	for _, f := range forms {
		if len(f) >= stretch {
			c.parts = append(c.parts, folded(f))
		}
	}
}

// whole adds a text as errors may have it, and returns how: as it is, quoted, encoded as templates encode, and cut as a parser of YAML cuts it.
func (c *concealed) whole(s string) []string {
	if len(s) < minConcealed {
		return nil
	}
	once := base64.StdEncoding.EncodeToString([]byte(s))
	forms := []string{
		s, strings.Trim(strconv.Quote(s), `"`), hex.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
		strings.TrimRight(once, "="), strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(once)), "="),
	}
	for _, f := range forms {
		c.exact[folded(f)] = true
	}
	const cut = 7
	if len(s) > cut {
		c.exact[folded(s[:cut])+"..."] = true
	}
	return forms
}

// out is a text without them.
func (c *concealed) out(text string) string {
	hide := c.found(text)
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hide[i]:
			b.WriteByte(text[i])
		case i == 0 || !hide[i-1]:
			b.WriteString(veil)
		}
	}
	return strings.ToValidUTF8(b.String(), "?")
}

// found says of each byte of a text whether it is of one of them.
func (c *concealed) found(text string) []bool {
	in := folded(text)
	hide := make([]bool, len(in))
	found := func(at, n int) {
		for i := at; i < at+n; i++ {
			hide[i] = true
		}
	}
	for s := range c.exact {
		for at := strings.Index(in, s); at >= 0; {
			found(at, len(s))
			next := strings.Index(in[at+len(s):], s)
			if next < 0 {
				break
			}
			at += len(s) + next
		}
	}
	c.stretches(in, found)
	return hide
}

// veiled marks in objects that are no Secrets the fields that show what was read of Secrets in the cluster: as variables, or as values of charts. Of encrypted
// files there is nothing in them.
func (r *renderer) veiled(objs []object.Object) []object.Object {
	c := concealed{exact: map[string]bool{}}
	r.outside.each(func(o object.Object) { c.object(o) })
	if len(c.exact) == 0 {
		return objs
	}
	out := slices.Clone(objs)
	for i, o := range out {
		if o.Kind() != "Secret" {
			out[i] = alsoVeiled(o, c.veils(o))
		}
	}
	return out
}

// alsoVeiled marks fields beside those that are marked.
func alsoVeiled(o object.Object, paths []string) object.Object {
	all := slices.Concat(o.Veiled(), paths)
	slices.Sort(all)
	return o.WithVeiled(slices.Compact(all))
}

// veils are the paths in an object that show one of them.
func (c *concealed) veils(o object.Object) []string {
	list := diff.Leaves(o)
	var b strings.Builder
	for _, l := range list {
		b.WriteString(l.Text)
		b.WriteByte(0) // nothing that is secret reaches from one text into the next
	}
	hide := c.found(b.String())
	var out []string
	for _, l := range list {
		if slices.Contains(hide[:len(l.Text)], true) {
			out = append(out, l.Path)
		}
		hide = hide[len(l.Text)+1:]
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// stretches finds what a text has in common with parts.
func (c *concealed) stretches(in string, found func(at, n int)) {
	where := map[string][]int{}
	var begins [1 << 16]bool // most stretches are found to be none by their first two bytes
	first := func(s string) int { return int(s[0])<<8 | int(s[1]) }
	for i := 0; i+stretch <= len(in); i++ {
		s := in[i : i+stretch]
		where[s] = append(where[s], i)
		begins[first(s)] = true
	}
	for _, part := range c.parts {
		for i := 0; i+stretch <= len(part); i++ {
			if s := part[i : i+stretch]; begins[first(s)] {
				for _, at := range where[s] {
					found(at, stretch)
				}
				delete(where, s)
			}
		}
	}
}

// folded is a text with small letters only, byte for byte: expressions may have changed the others.
func folded(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
