package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/fairlead-cd/fairlead/api/v1alpha1"
)

// matrixHelp explains the cells of a matrix.
const matrixHelp = `With -o matrix it shows a row for each app and a column for each environment: the commit that is applied, and ✓ ready,
… on its way, ! held, ✗ failed, ‖ suspended.`

// mark is how a standing is drawn in a cell.
func mark(s standing) string {
	switch s {
	case ready:
		return "✓"
	case held:
		return "!"
	case failed:
		return "✗"
	case suspended:
		return "‖"
	case underway:
	}
	return "…"
}

// matrix is apps by environments.
func (l listing) matrix(s selection) *table {
	column := func(a *v1alpha1.App) string {
		if l.namespaces {
			return a.Namespace + "/" + a.Spec.Environment
		}
		return a.Spec.Environment
	}
	columns, rows := map[string]int{}, map[string][]*v1alpha1.App{}
	var order []string
	for i := range s.apps {
		a := &s.apps[i]
		columns[column(a)] = 0
		if rows[a.Spec.Name] == nil {
			order = append(order, a.Spec.Name)
		}
		rows[a.Spec.Name] = append(rows[a.Spec.Name], a)
	}
	names := slices.Sorted(maps.Keys(columns))
	for i, name := range names {
		columns[name] = i + 1
	}
	t := &table{header: append([]string{"APP"}, names...)}
	for _, name := range order {
		row := make([]cell, len(names)+1)
		row[0] = plain(name)
		for i := range row[1:] {
			row[i+1] = plain("-")
		}
		for _, a := range rows[name] {
			row[columns[column(a)]] = cell{orNone(a.Status.Applied.Short) + " " + mark(ofApp(a)), colourOf(ofApp(a))}
		}
		t.add(row...)
	}
	return t
}

func (l listing) printMatrix(w io.Writer, s selection) error {
	if len(s.apps) > 0 {
		if err := l.matrix(s).print(w, l.style); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, summary(s.apps))
	return err
}
