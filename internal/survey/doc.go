// Package survey finds the apps in a directory of a working tree, and renders them, so that package check can look at them.
//
//	found, err := survey.Find(survey.Request{Tree: tree, Dir: "."})
//	apps := survey.Render(ctx, tree, found.Apps, nil)
//
// Where there are Environment objects in the tree, they say what is an app and where it goes, as they do to the controller. Patterns say it otherwise. What
// neither says is guessed, so that a newcomer's tree is checked as it is: each kustomization that no other one builds upon, each directory with a main.jsonnet, and each directory of manifests,
// of which only what is an object counts. Charts are left out, and said to be.
//
// It reads the tree and nothing else.
package survey
