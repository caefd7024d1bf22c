// Package archive reads a tar, gzipped or not, as a source.Tree: the files of a chart, or of an artifact of a registry.
//
//	tree, err := archive.Read(blob, archive.Options{Bytes: 64 << 20, Strip: true})
//
// Nothing of it is ever written to a disk. An archive is refused as a whole, with an error of kind fault.Invalid, if it is larger than the bounds once it is
// unpacked, names a path outside of itself, holds something twice, a device, a hard link or, unless they are asked for, a symlink.
//
// Invariant: what was read has no path that leads out of it; a symlink that does is an error of who follows it, as it is in a commit.
package archive
