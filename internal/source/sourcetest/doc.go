// Package sourcetest is for tests of what reads a source.Tree: [New] makes one of the files that a test names, and [Run] is the suite that every implementation of
// source.Tree has to pass.
//
// It is imported by tests only.
package sourcetest
