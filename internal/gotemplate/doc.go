// Package gotemplate executes Go templates as Helm does, with the functions of Sprig and Helm, within a budget: a template that never ends, or that makes
// more than fits into memory, is an error and not an outage.
//
//	out, err := gotemplate.Render(files, gotemplate.Options{})
//	out["web/templates/service.yaml"].Text
//
// The standard library's templates cannot be stopped from outside. So each tree is changed after it is parsed (see instrument.go): every pass through the body
// of a loop, and every template that is executed, is counted, and each value goes through a function that weighs it. Each function of the templates is wrapped,
// so that what it will make is weighed before it is made, and a value that contains itself is found before anything walks it for ever.
//
// Invariants:
//   - Equal input gives equal output. There is no clock, no environment and no network; what looks random or like the time is drawn from Options.Draw.
//   - The budget is counted in steps and bytes, not in seconds: it is exceeded on every machine or on none.
//   - No template outlives Render, and nothing is remembered from one to the next.
package gotemplate
