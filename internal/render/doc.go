// Package render turns the directory of an app into objects: plain YAML, Kustomize, Helm or Jsonnet, without a shell and without
// the network, from a source.Tree and what an Outside answers, and nothing else. All but Jsonnet is rendered in process.
//
//	res, err := render.Render(render.Request{Tree: snapshot.Tree, Dir: "apps/web/production"})
//	res.Objects // each with the file and line that it was written at
//	res.Inputs  // what to compare in the next commit, filled in even if err is not nil
//
// Invariants:
//   - Equal inputs give equal objects: whatever is read goes through a source.Recorder.
//   - Nothing is fetched and nothing executed. The whole graph of kustomizations is read and checked before Kustomize
//     runs (see graph.go), and Kustomize is handed the very bytes that were checked.
//   - An app that renders to no objects is an error: an empty want would delete all that the app has.
//
// Plain directories are read as Flux reads them: every manifest in it and below, in the order of their paths; a directory below
// that has a kustomization is built as one. Files and directories that begin with a dot are skipped.
package render
