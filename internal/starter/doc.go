// Package starter is the files that a repository begins with: what `fairlead init` and `fairlead bootstrap` write, as values.
//
//	file, err := starter.Environment{Name: "production", Namespace: "shop", …}.File()
//	file.Path // clusters/main/production/environment.yaml
//
// The files are templates in templates/, so that they can be read as what they are. They explain themselves: a person is to go on from them, and nothing of
// Fairlead's reads their comments.
//
// It writes nothing and reads nothing. Whatever a person gave is checked or quoted before it is part of a file.
package starter
