// Package sourcetest is for tests of what reads a source.Tree: [Tree], one in memory, and [Run], the suite that every
// implementation of source.Tree has to pass.
//
// It is imported by tests only.
package sourcetest
