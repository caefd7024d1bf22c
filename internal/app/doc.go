// Package app is what a user declares of an app and what Fairlead owns for it: its [Name], the [Declaration] in its
// directory (fairlead.yaml), the [Policy] of its environment, and its [Claims].
//
// It decides nothing: package plan does. It never reads a file or a cluster.
package app
