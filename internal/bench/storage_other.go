//go:build !linux

package bench

// memoryDir is none: there is no file system in memory that everybody may use.
const memoryDir = ""

func free(string) int64 { return 0 }
