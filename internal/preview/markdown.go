package preview

import (
	"fmt"
	"strings"
)

// MostMarkdown is what a comment on a pull request may be long: forges take 64 KiB.
const MostMarkdown = 60 << 10

// Markdown prints replies for one comment on a pull request.
func Markdown(replies ...Reply) string {
	var b strings.Builder
	for i, r := range replies {
		text := r.markdown(MostMarkdown/len(replies) - 1)
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(text)
	}
	return b.String()
}

// markdown prints a reply for a pull request, an app in a section that opens with a click. It is never longer than most: then it says what was
// left out.
func (r Reply) markdown(most int) string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "### %s\n\n", escape(r.title()))
	var quiet []string
	var left []string
	for _, a := range r.Apps {
		if a.Text() == "" && !a.Removed {
			quiet = append(quiet, a.Name)
			continue
		}
		section := r.section(a)
		if b.Len()+len(section) > most-spare {
			left = append(left, a.Name+" ("+a.Summary()+")")
			continue
		}
		b.WriteString(section)
	}
	var end []string
	if len(quiet) > 0 {
		end = append(end, fmt.Sprintf("Nothing to do for %s.", list(quiet)))
	}
	if len(left) > 0 {
		end = append(end, fmt.Sprintf("**Left out, since a comment is bounded:** %s.", list(left)))
	}
	for _, n := range append(r.Notes[:len(r.Notes):len(r.Notes)], r.LeftOut) {
		if n != "" {
			end = append(end, escape(clip(oneLine(n), 500)))
		}
	}
	for _, line := range end {
		if b.Len()+len(line)+2 > most {
			break
		}
		b.WriteString(line + "\n\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// spare is kept for what is said below the sections.
const spare = 2 << 10

func (r Reply) section(a App) string {
	open := ""
	if len(a.Held) > 0 || a.Fails() {
		open = " open"
	}
	text := a.Text()
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fmt.Sprintf("<details%s><summary><b>%s/%s</b>: %s</summary>\n\n%stext\n%s%s\n\n</details>\n\n",
		open, escape(r.Environment), escape(a.Name), escape(a.Summary()), fence, text, fence)
}

// list names a few, and counts the others.
func list(names []string) string {
	const most = 20
	if more := len(names) - most; more > 0 {
		return escape(strings.Join(names[:most], ", ")) + fmt.Sprintf(" and %d more", more)
	}
	return escape(strings.Join(names, ", "))
}

// escape keeps what people called things from being taken for Markdown or HTML.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "&#64;", "`", "&#96;", "[", "&#91;", "*", "&#42;", "|", "&#124;", "\n", " ").Replace(s)
}
