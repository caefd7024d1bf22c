// Package kin is what an app runs as a tree: the objects that it claims, and below each what controllers made of it, as owner references say.
//
//	for _, n := range kin.Grow(found, owner, rules.Assess) {
//		fmt.Println(n.Object, n.Health)
//	}
//
// It knows no cluster: who uses it brings the objects. Where an object belongs is never guessed from names or labels,
// only read from its owner references, and from the owner mark that Fairlead applied to it.
package kin
