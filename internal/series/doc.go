// Package series reads what a process tells Prometheus, for programs that compare two moments of it.
//
//	before, err := series.Parse(text)
//	…
//	now.Minus(before).Sum(`fairlead_api_requests_total{verb="apply"}`)
//
// It asks nobody: the text is the caller's. A selector has labels and their values, no expressions.
package series
