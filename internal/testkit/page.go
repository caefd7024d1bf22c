package testkit

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Page is what a page of the documentation shows that a reader may run or apply.
type Page struct {
	// Commands are those of console blocks: what follows a "$ ", here documents and continued lines included; a block of sh is one; and
	// those that a pipeline of a YAML block runs.
	Commands []string
	// Inline are those within a sentence.
	Inline []string
	// Snippets are the YAML blocks.
	Snippets []string
	// Wrong are blocks that do not say what they are.
	Wrong []string
}

var (
	fence   = regexp.MustCompile("^( *)```([a-z]*)$")
	span    = regexp.MustCompile("`([^`]+)`")
	program = regexp.MustCompile(`^(fairlead|kubectl|make|bin/[a-z]+|git|flux|argocd|curl|gh|helm|openssl|source) `)
	step    = regexp.MustCompile(`(?m)^[ -]*(?:(?:run|script|entry): )?((?:fairlead|gh) .*)$`) // of a pipeline
	heredoc = regexp.MustCompile(`<<-?'?([A-Z]+)'?`)
)

// ReadPage reads a page.
func ReadPage(path string) (Page, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Page{}, err
	}
	return parsePage(string(data)), nil
}

func parsePage(text string) Page {
	var p Page
	var block []string
	var kind, indent string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && !inside:
			inside, indent, kind, block = true, m[1], m[2], nil
		case m != nil && m[2] == "":
			inside = false
			p.add(kind, block)
		case inside:
			block = append(block, strings.TrimPrefix(line, indent))
		default:
			for _, s := range span.FindAllStringSubmatch(line, -1) {
				if program.MatchString(s[1]) && !strings.Contains(s[1], "…") {
					p.Inline = append(p.Inline, s[1])
				}
			}
		}
	}
	return p
}

func (p *Page) add(kind string, block []string) {
	switch kind {
	case "yaml":
		text := strings.Join(block, "\n") + "\n"
		p.Snippets = append(p.Snippets, text)
		for _, m := range step.FindAllStringSubmatch(text, -1) {
			p.Commands = append(p.Commands, m[1])
		}
	case "console":
		p.Commands = append(p.Commands, prompts(block)...)
	case "sh":
		p.Commands = append(p.Commands, strings.Join(block, "\n"))
	case "":
		for _, line := range block {
			if strings.HasPrefix(line, "$ ") || program.MatchString(line) {
				p.Wrong = append(p.Wrong, "a block without a word behind its fence has the command "+line)
			}
		}
	default:
		p.Wrong = append(p.Wrong, "a block of "+kind+": console, sh, yaml or nothing is understood")
	}
}

// prompts are the commands of a console block. What is not part of one is what they print.
func prompts(block []string) []string {
	var all []string
	until := "" // what ends the command, if lines of it follow
	for _, line := range block {
		rest, begins := strings.CutPrefix(line, "$ ")
		switch {
		case until != "":
			all[len(all)-1] += "\n" + line
			if until == `\` && !strings.HasSuffix(line, `\`) || line == until {
				until = ""
			}
		case begins:
			all = append(all, rest)
			if m := heredoc.FindStringSubmatch(rest); m != nil {
				until = m[1]
			} else if strings.HasSuffix(rest, `\`) {
				until = `\`
			}
		}
	}
	return all
}

// Command returns the one command that begins so, or is just that.
func (p Page) Command(start string) (string, error) {
	all := slices.Concat(p.Commands, p.Inline)
	if slices.Contains(all, start) {
		return start, nil
	}
	var found []string
	for _, c := range all {
		if strings.HasPrefix(c, start) && !slices.Contains(found, c) {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d commands of the page begin with %q, want one of %q", len(found), start, all)
	}
	return found[0], nil
}

// Snippet returns the one YAML block that has a text.
func (p Page) Snippet(has string) (string, error) {
	var found []string
	for _, s := range p.Snippets {
		if strings.Contains(s, has) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d YAML blocks of the page have %q, want one", len(found), has)
	}
	return found[0], nil
}
