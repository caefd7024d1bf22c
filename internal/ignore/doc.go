// Package ignore reads the files by which Flux leaves parts of a repository out, `.sourceignore`: patterns as those of Git's `.gitignore`.
//
//	p, err := ignore.Patterns{}.With("apps", "apps/.sourceignore", []byte("*.md\n/drafts/\n!README.md\n"))
//	p.Ignored("apps/drafts", true) // true
//
// The last pattern that matches a path, or a directory that it is in, decides: so what is in a directory that is left out may be taken in again by a later
// pattern, as Flux has it, and otherwise than Git has it.
//
// It reads no file. Patterns are values: With returns new ones, and is safe for concurrent use.
package ignore
