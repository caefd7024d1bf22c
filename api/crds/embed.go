// Package crds holds the CustomResourceDefinitions of Fairlead as generated from package v1alpha1.
package crds

import "embed"

// Files are the definitions, one YAML file each.
//
//go:embed *.yaml
var Files embed.FS
