package cli

import (
	"io"
	"strings"
	"unicode/utf8"
)

// table is rows in columns, as kubectl prints them. The last column is cut off at the width of a terminal.
type table struct {
	header []string
	rows   [][]cell
}

// cell is one value and the colour that it has on a terminal.
type cell struct{ text, colour string }

// Colours of a terminal.
const (
	green  = "32"
	yellow = "33"
	red    = "31"
	grey   = "90"
)

func (t *table) add(row ...cell) { t.rows = append(t.rows, row) }

func plain(text string) cell { return cell{text: text} }

// style is how a table is shown.
type style struct {
	width   int // 0: unlimited
	colours bool
}

const gap = "   "

func (t *table) print(w io.Writer, s style) error {
	widths := make([]int, len(t.header))
	head := make([]cell, len(t.header))
	for i, h := range t.header {
		head[i] = plain(h)
		widths[i] = utf8.RuneCountInString(h)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(orNone(row[i].text)))
		}
	}
	var b strings.Builder
	for _, row := range append([][]cell{head}, t.rows...) {
		b.WriteString(line(row, widths, s))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func line(row []cell, widths []int, s style) string {
	var b strings.Builder
	used, last := 0, len(row)-1
	for i, c := range row {
		text := c.text
		if i < last {
			text = orNone(text)
		} else if s.width > 0 {
			text = clip(text, max(s.width-used, 8))
		}
		padding := ""
		if i < last {
			padding = strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)) + gap
			used += widths[i] + len(gap)
		}
		if s.colours && c.colour != "" {
			text = "\x1b[" + c.colour + "m" + text + "\x1b[0m"
		}
		b.WriteString(text + padding)
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

// orNone stands for what is empty, so that columns can be counted.
func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
