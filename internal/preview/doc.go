// Package preview is a plan that somebody asks for: the question, the answer, and how both travel and are printed.
//
//	req, err := preview.ParseRequest(body)
//	reply := preview.Reply{…, Apps: []preview.App{preview.Of("web", foreseen, seen, tag)}}
//	reply.Text(w)
//
// It asks nobody and decides nothing: package engine foresees, package controller answers, package cli asks and prints.
//
// Invariant: no value of a Secret is in a Reply.
// Invariant: Fit bounds what a Reply takes, and it says what was left out.
package preview
