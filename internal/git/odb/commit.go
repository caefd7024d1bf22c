package odb

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-cd/fairlead/internal/source"
)

// Commit is a commit object.
type Commit struct {
	Tree    source.ID
	Parents []source.Commit
	Author  source.Author
	Subject string // first line of the message, printable, at most 500 characters
}

// parseCommit reads a commit object: header lines, an empty line, the message.
func parseCommit(data []byte) (Commit, error) {
	var c Commit
	rest := string(data)
	for rest != "" {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		if line == "" {
			break
		}
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			if c.Tree == "" {
				c.Tree = source.ID(value)
			}
		case "parent":
			if !isID(value) {
				return Commit{}, fmt.Errorf("parent %q is not an id", printable(value, 80))
			}
			c.Parents = append(c.Parents, source.Commit(value))
		case "author":
			c.Author = parseAuthor(value)
		}
	}
	if !isID(string(c.Tree)) {
		return Commit{}, errors.New("it names no tree")
	}
	subject, _, _ := strings.Cut(strings.TrimLeft(rest, "\n"), "\n")
	c.Subject = printable(subject, 500)
	return c, nil
}

// parseAuthor reads "Name <mail> 1700000000 +0100". What cannot be read stays empty: an author is only for showing.
func parseAuthor(text string) source.Author {
	name, rest, _ := strings.Cut(text, "<")
	mail, when, _ := strings.Cut(rest, ">")
	a := source.Author{Name: printable(name, 200), Email: printable(mail, 200)}
	f := strings.Fields(when)
	if len(f) == 0 {
		return a
	}
	// Later than the year 9999 cannot be written as RFC 3339.
	if seconds, err := strconv.ParseInt(f[0], 10, 64); err == nil && seconds >= 0 && seconds < 253402300800 {
		a.When = time.Unix(seconds, 0).UTC()
	}
	return a
}

// printable makes foreign text fit for a status: valid, one line, bounded.
func printable(text string, limit int) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit])
	}
	return text
}

func isID(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789abcdef") == ""
}
