// Package chart is a Helm chart as a value: its files, the values that it is given, and the manifests that its templates make of them.
//
//	c, err := chart.Load(files, chart.Bounds{Files: 20_000, Bytes: 64 << 20})
//	docs, err := c.Render(chart.Release{Name: "web", Namespace: "shop"}, values, chart.World{Kubernetes: "v1.36.0"})
//
// Charts are loaded and their values put together by Helm's own library. Its engine is not used, as nothing can stop it: package gotemplate executes the same
// templates to the same end (TestAsHelm compares with the library, chart by chart). Nor is Helm's way with values.schema.json, which reads what a schema refers to
// from disks and networks.
//
// It reads no file and asks nobody by itself: files are handed to it, and whom to ask is in World.
package chart
